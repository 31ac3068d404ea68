/**
 * A stream of token ids to a stream of text. A character is let out only when all its bytes are there, so a reader
 * never sees half of one, and text that may be the beginning of a stop string is held back until that is settled.
 * However the stream is cut, the pieces joined are the text of the whole.
 */
import type { Tokenizer } from "./tokenizer.ts";

/** Ids to text, one stream. */
export class Detokenizer {
  readonly #tokenizer: Pick<Tokenizer, "tokenBytes" | "addsSpacePrefix">;
  // A byte order mark is text like any other here.
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #dropSpace: boolean;

  /** `continues`: the stream goes on after other text, so its first space is part of the text. */
  constructor(
    tokenizer: Pick<Tokenizer, "tokenBytes" | "addsSpacePrefix">,
    options: { readonly continues?: boolean } = {},
  ) {
    this.#tokenizer = tokenizer;
    this.#dropSpace = tokenizer.addsSpacePrefix && options.continues !== true;
  }

  /** The text that is certain after one more token; often empty. Bytes that can be no character become U+FFFD. */
  push(id: number): string {
    let bytes = this.#tokenizer.tokenBytes(id);
    if (bytes.length === 0) return "";
    if (this.#dropSpace) {
      this.#dropSpace = false;
      if (bytes[0] === 0x20) bytes = bytes.subarray(1);
    }
    return this.#decoder.decode(bytes, { stream: true });
  }

  /** The end of the stream: what was held back, an unfinished character as U+FFFD. */
  flush(): string {
    return this.#decoder.decode();
  }
}

/** The text of a whole sequence. */
export function decodeText(
  tokenizer: Pick<Tokenizer, "tokenBytes" | "addsSpacePrefix">,
  ids: Iterable<number>,
): string {
  const detokenizer = new Detokenizer(tokenizer);
  let text = "";
  for (const id of ids) text += detokenizer.push(id);
  return text + detokenizer.flush();
}

/** One stop string and how much of it the text so far ends with (Knuth-Morris-Pratt). */
interface Progress {
  readonly stop: string;
  /** fallback[n]: length of the longest proper border of the first n characters. */
  readonly fallback: Uint32Array;
  matched: number;
}

function bordersOf(stop: string): Uint32Array {
  const fallback = new Uint32Array(stop.length + 1);
  for (let n = 1, border = 0; n < stop.length; n++) {
    while (border > 0 && stop[n] !== stop[border]) border = fallback[border] as number;
    if (stop[n] === stop[border]) border++;
    fallback[n + 1] = border;
  }
  return fallback;
}

export interface StopResult {
  /** Text that is certain to come before any stop string. */
  readonly text: string;
  /** The stop string that ended the stream, else null. */
  readonly stop: string | null;
}

/**
 * Watches a stream of text for the first stop string to be completed; of two completed by the same character the longer
 * counts. Neither the stop string nor anything after it is let out. Each character costs one step per stop string.
 */
export class StopStringMatcher {
  readonly #progress: Progress[];
  #held = "";
  #stop: string | null = null;

  /** Throws RangeError for an empty stop string and for one that begins or ends inside a character. */
  constructor(stops: readonly string[]) {
    for (const stop of stops) {
      if (stop === "" || !stop.isWellFormed())
        throw new RangeError(
          `A stop string must be text, and ${JSON.stringify(stop)} is not; remove it from the list.`,
        );
    }
    this.#progress = stops.map((stop) => ({ stop, fallback: bordersOf(stop), matched: 0 }));
  }

  push(text: string): StopResult {
    if (this.#stop !== null) return { text: "", stop: this.#stop };
    const all = this.#held + text;
    for (let i = this.#held.length; i < all.length; i++) {
      const done = this.#advance(all[i] as string);
      if (done === null) continue;
      this.#stop = done;
      this.#held = "";
      return { text: all.slice(0, i + 1 - done.length), stop: done };
    }
    const kept = this.#progress.reduce((longest, { matched }) => Math.max(longest, matched), 0);
    this.#held = all.slice(all.length - kept);
    return { text: all.slice(0, all.length - kept), stop: null };
  }

  /** The end of the stream: what was held back, since no stop string came of it. */
  flush(): StopResult {
    const text = this.#held;
    this.#held = "";
    for (const progress of this.#progress) progress.matched = 0;
    return { text, stop: this.#stop };
  }

  /** The longest stop string that `unit` completes. */
  #advance(unit: string): string | null {
    let done: string | null = null;
    for (const progress of this.#progress) {
      const { stop, fallback } = progress;
      while (progress.matched > 0 && stop[progress.matched] !== unit)
        progress.matched = fallback[progress.matched] as number;
      if (stop[progress.matched] === unit) progress.matched++;
      if (progress.matched < stop.length) continue;
      if (done === null || stop.length > done.length) done = stop;
      progress.matched = fallback[stop.length] as number;
    }
    return done;
  }
}
