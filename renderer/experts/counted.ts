// Choices counted over some tokens, as every view of them takes it.

export interface Counted {
  /** [layers * experts] */
  readonly counts: Float64Array;
  readonly tokens: number;
  /** Per layer. */
  readonly choices: number;
}
