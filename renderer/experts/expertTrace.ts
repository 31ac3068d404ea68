// The routing of one answer as it grows: typed arrays that double when full, and the running totals the panel shows.
import type { TraceChunk } from "../../electron/contract/experts.ts";

/** Grows by doubling; `view` is what has been written so far. */
class Growing<T extends Uint16Array | Uint8Array | Float64Array> {
  length = 0;
  #store: T;
  readonly #make: (length: number) => T;

  constructor(make: (length: number) => T) {
    this.#make = make;
    this.#store = make(1024);
  }

  append(values: ArrayLike<number>): void {
    const needed = this.length + values.length;
    if (needed > this.#store.length) {
      const larger = this.#make(Math.max(needed, this.#store.length * 2));
      larger.set(this.#store);
      this.#store = larger;
    }
    this.#store.set(values, this.length);
    this.length = needed;
  }

  at(index: number): number {
    return this.#store[index] ?? 0;
  }
}

export interface ExpertPlace {
  readonly layer: number;
  readonly expert: number;
}

export class ExpertTrace {
  readonly moeLayers: number;
  readonly expertCount: number;
  readonly expertsUsed: number;
  tokens = 0;
  /** How often each expert was among the chosen, [moeLayers * expertCount]. */
  readonly counts: Float64Array;
  readonly #experts = new Growing((length) => new Uint16Array(length));
  readonly #weights = new Growing((length) => new Uint8Array(length));
  /** Where each token's text ends in the answer, in UTF-16 units. */
  readonly #textEnds = new Growing((length) => new Float64Array(length));
  readonly #drafted = new Growing((length) => new Uint8Array(length));

  constructor(shape: Pick<TraceChunk, "moeLayers" | "expertCount" | "expertsUsed">) {
    this.moeLayers = shape.moeLayers;
    this.expertCount = shape.expertCount;
    this.expertsUsed = shape.expertsUsed;
    this.counts = new Float64Array(this.moeLayers * this.expertCount);
  }

  /** Appends a chunk; what is already known of it is skipped. False: tokens before it are missing. */
  append(chunk: TraceChunk): boolean {
    // Goes on with the experts steered otherwise: the trace ends here.
    if (chunk.expertsUsed !== this.expertsUsed || chunk.expertCount !== this.expertCount) return true;
    const skip = this.tokens - chunk.firstToken;
    if (skip < 0) return false;
    if (skip >= chunk.tokens) return true;
    const perToken = this.moeLayers * this.expertsUsed;
    const bytes = chunk.experts;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const fresh = Uint16Array.from({ length: (chunk.tokens - skip) * perToken }, (_, index) =>
      view.getUint16((skip * perToken + index) * 2, true),
    );
    this.#experts.append(fresh);
    this.#weights.append(chunk.weights.subarray(skip * perToken));
    let end = this.textEndAt(this.tokens - 1);
    this.#textEnds.append(chunk.textLengths.slice(skip).map((length) => (end += length)));
    this.#drafted.append(chunk.drafted.subarray(skip));
    this.tokens += chunk.tokens - skip;
    this.count(this.counts, this.tokens - (chunk.tokens - skip), this.tokens);
    return true;
  }

  /** Expert of rank `rank` (0: first choice) for a token in a layer. */
  expertAt(token: number, layer: number, rank: number): number {
    return this.#experts.at((token * this.moeLayers + layer) * this.expertsUsed + rank);
  }

  /** Its weight, 0..1. */
  weightAt(token: number, layer: number, rank: number): number {
    return this.#weights.at((token * this.moeLayers + layer) * this.expertsUsed + rank) / 255;
  }

  /** UTF-16 units of the answer that a token contributed. */
  textLengthAt(token: number): number {
    return this.textEndAt(token) - this.textEndAt(token - 1);
  }

  /** Where a token's text ends in the answer; 0 before the first. */
  textEndAt(token: number): number {
    return token < 0 ? 0 : this.#textEnds.at(Math.min(token, this.tokens - 1));
  }

  /** The token that contributed the UTF-16 unit at `offset` of the answer; null past the last. */
  tokenAtText(offset: number): number | null {
    let low = 0;
    let high = this.tokens;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.textEndAt(middle) > offset) high = middle;
      else low = middle + 1;
    }
    return low < this.tokens ? low : null;
  }

  /** Whether an expert was among a token's chosen in a layer. */
  took(token: number, { layer, expert }: ExpertPlace): boolean {
    for (let rank = 0; rank < this.expertsUsed; rank++) if (this.expertAt(token, layer, rank) === expert) return true;
    return false;
  }

  /** Whether a draft had the token right. */
  wasDrafted(token: number): boolean {
    return this.#drafted.at(token) === 1;
  }

  /** Adds the choices of tokens [from, to) to `counts`, [moeLayers * expertCount]. */
  count(counts: Float64Array, from: number, to: number): void {
    for (let token = Math.max(0, from); token < to; token++) {
      for (let layer = 0; layer < this.moeLayers; layer++) {
        for (let rank = 0; rank < this.expertsUsed; rank++) {
          const cell = layer * this.expertCount + this.expertAt(token, layer, rank);
          counts[cell] = (counts[cell] ?? 0) + 1;
        }
      }
    }
  }

  /** Choices of the last `window` tokens; the running totals when the window covers all. */
  countsOfLast(window: number): Float64Array {
    if (window >= this.tokens) return this.counts;
    const counts = new Float64Array(this.counts.length);
    this.count(counts, this.tokens - window, this.tokens);
    return counts;
  }
}
