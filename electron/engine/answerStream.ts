// The tokens of one run to the pieces that the user sees: text with nothing half-shown, the ids it came from and their
// routing. A token leaves together with the text it contributed, so that text can be coloured; text that a stop string may
// swallow waits, and so do its tokens. Pure: no clock, no transport.
import type { TraceChunk } from "../contract/experts.ts";
import { Detokenizer, StopStringMatcher } from "./detokenizer.ts";
import type { Tokenizer } from "./tokenizer.ts";

export interface RoutingShape {
  readonly moeLayers: number;
  readonly expertsUsed: number;
  readonly experts: number;
}

/** Consecutive tokens as the engine reports them. */
export interface EngineTokens {
  readonly tokens: Uint32Array;
  /** [tokens][moeLayers][expertsUsed] */
  readonly experts: Uint16Array;
  readonly expertWeights: Float32Array;
  /** [tokens] 1: a draft had it right. */
  readonly drafted: Uint8Array;
}

export interface AnswerPiece {
  readonly text: string;
  readonly tokenIds: Uint32Array<ArrayBuffer>;
  readonly trace: TraceChunk | null;
}

interface HeldToken {
  readonly id: number;
  readonly experts: Uint16Array;
  readonly weights: Float32Array;
  readonly drafted: number;
  /** UTF-16 units it brought that are not let out yet, and those that are. */
  waiting: number;
  shown: number;
}

export class AnswerStream {
  readonly #shape: RoutingShape;
  readonly #detokenizer: Detokenizer;
  readonly #matcher: StopStringMatcher;
  readonly #held: HeldToken[] = [];
  #text = "";
  #ready: HeldToken[] = [];
  #taken = 0;
  #accepted = 0;
  #stopped = false;

  /** `continues`: the tokens go on behind text that is there already. Throws RangeError for a stop string that is none. */
  constructor(tokenizer: Tokenizer, shape: RoutingShape, stops: readonly string[], continues = false) {
    this.#shape = shape;
    this.#detokenizer = new Detokenizer(tokenizer, { continues });
    this.#matcher = new StopStringMatcher(stops);
  }

  /** A stop string is complete; tokens after it are ignored. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Tokens that belong to the answer, those of the stop string included. */
  get accepted(): number {
    return this.#accepted;
  }

  get hasPiece(): boolean {
    return this.#text !== "" || this.#ready.length > 0;
  }

  push(batch: EngineTokens): void {
    const row = this.#shape.moeLayers * this.#shape.expertsUsed;
    for (let i = 0; i < batch.tokens.length && !this.#stopped; i++) {
      const token: HeldToken = {
        id: batch.tokens[i] as number,
        experts: batch.experts.subarray(i * row, (i + 1) * row),
        weights: batch.expertWeights.subarray(i * row, (i + 1) * row),
        drafted: batch.drafted[i] ?? 0,
        waiting: 0,
        shown: 0,
      };
      this.#held.push(token);
      this.#accepted++;
      const text = this.#detokenizer.push(token.id);
      token.waiting = text.length;
      const { text: certain, stop } = this.#matcher.push(text);
      this.#show(certain);
      if (stop !== null) this.#finish();
    }
  }

  /** No token will come any more: what was held back comes out with the next piece. */
  end(): void {
    if (this.#stopped) return;
    const rest = this.#detokenizer.flush();
    const last = this.#held.at(-1);
    if (last !== undefined) last.waiting += rest.length;
    const { text, stop } = this.#matcher.push(rest);
    this.#show(text);
    if (stop === null) this.#show(this.#matcher.flush().text);
    this.#finish(stop !== null);
  }

  /** What is ready since the last call. */
  take(): AnswerPiece {
    const text = this.#text;
    const tokens = this.#ready;
    this.#text = "";
    this.#ready = [];
    const piece = { text, tokenIds: Uint32Array.from(tokens, ({ id }) => id), trace: this.#trace(tokens) };
    this.#taken += tokens.length;
    return piece;
  }

  #finish(stopped = true): void {
    this.#stopped = stopped;
    // What still waits was swallowed by the stop string: those tokens contributed what they have shown so far.
    this.#ready.push(...this.#held.splice(0));
  }

  /** Attributes `text` to the tokens in order and lets out those with nothing left to show. */
  #show(text: string): void {
    this.#text += text;
    let left = text.length;
    while (this.#held.length > 0) {
      const token = this.#held[0] as HeldToken;
      const part = Math.min(left, token.waiting);
      token.shown += part;
      token.waiting -= part;
      left -= part;
      // The last token stays while it has shown nothing: the bytes it began may still come out as its own character.
      if (token.waiting > 0 || (token.shown === 0 && this.#held.length === 1)) return;
      this.#ready.push(token);
      this.#held.shift();
    }
  }

  #trace(tokens: readonly HeldToken[]): TraceChunk | null {
    const { moeLayers, expertsUsed, experts: expertCount } = this.#shape;
    const row = moeLayers * expertsUsed;
    if (row === 0 || tokens.length === 0) return null;
    const experts = new Uint8Array(tokens.length * row * 2);
    const view = new DataView(experts.buffer);
    const weights = new Uint8Array(tokens.length * row);
    for (const [t, token] of tokens.entries()) {
      for (let i = 0; i < row; i++) {
        view.setUint16((t * row + i) * 2, token.experts[i] ?? 0, true);
        weights[t * row + i] = Math.round(Math.min(1, Math.max(0, token.weights[i] ?? 0)) * 255);
      }
    }
    const textLengths = tokens.map(({ shown }) => shown);
    return {
      firstToken: this.#taken,
      tokens: tokens.length,
      moeLayers,
      expertsUsed,
      expertCount,
      experts,
      weights,
      textLengths,
      drafted: Uint8Array.from(tokens, ({ drafted }) => drafted),
    };
  }
}
