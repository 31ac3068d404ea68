// When a crashed engine process may be started again. Pure: the caller brings the clock.

const strikes = 3;
const strikeWindowMs = 120_000;
/** Wait before the start after the first, second, ... crash of the window. */
const backOffMs = [0, 1000, 4000] as const;

export class CrashPolicy {
  #crashes: number[] = [];
  #total = 0;
  #givenUp = false;

  /** Since the app started. */
  get total(): number {
    return this.#total;
  }

  /** Three crashes within two minutes: nothing is started until forgive(). */
  get givenUp(): boolean {
    return this.#givenUp;
  }

  crashed(now: number): void {
    this.#total++;
    this.#crashes = [...this.#crashes.filter((at) => now - at < strikeWindowMs), now];
    if (this.#crashes.length >= strikes) this.#givenUp = true;
  }

  /** Milliseconds from `now` until the next start. */
  wait(now: number): number {
    const last = this.#crashes.at(-1);
    if (last === undefined) return 0;
    return Math.max(0, last + (backOffMs[this.#crashes.length - 1] ?? 0) - now);
  }

  forgive(): void {
    this.#crashes = [];
    this.#givenUp = false;
  }
}
