// When the pieces of one run go over the wire: the first at once, then at most one per interval, and never more on their
// way than the receiver has credits for. A receiver that falls behind gets fewer, larger pieces; what waits is bounded by
// the model's context.
import type { AnswerPiece, AnswerStream, EngineTokens } from "./answerStream.ts";

const intervalMs = 16;

export class AnswerSender {
  readonly #stream: AnswerStream;
  readonly #send: (piece: AnswerPiece) => void;
  #credits: number;
  #timer: NodeJS.Timeout | null = null;

  constructor(stream: AnswerStream, credits: number, send: (piece: AnswerPiece) => void) {
    this.#stream = stream;
    this.#credits = credits;
    this.#send = send;
  }

  push(batch: EngineTokens): void {
    this.#stream.push(batch);
    if (this.#timer === null) this.#sendNow();
  }

  credit(): void {
    this.#credits++;
    if (this.#timer === null) this.#sendNow();
  }

  /** Sends the rest, whatever the credits; nothing comes after. */
  finish(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#credits = 0;
    this.#stream.end();
    if (this.#stream.hasPiece) this.#send(this.#stream.take());
  }

  #sendNow(): void {
    if (this.#credits === 0 || !this.#stream.hasPiece) return;
    this.#credits--;
    this.#send(this.#stream.take());
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#sendNow();
    }, intervalMs);
  }
}
