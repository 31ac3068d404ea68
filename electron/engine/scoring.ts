// How well a model expects a text: the log-probabilities of an answer's tokens, computed as a prompt. In the engine process.
import { AppError } from "../contract/errors.ts";
import { type ExpertBias, inOrder } from "../contract/steering.ts";
import type { EngineSteering, Score, ScoreRequest } from "./engineApi.ts";
import { commonPrefix } from "./prefixWarmer.ts";
import type { PromptEncoder } from "./promptEncoder.ts";

/** As the addon takes it. */
interface NativeSteering {
  readonly expertsUsed: number;
  readonly biases: readonly ExpertBias[];
}

export interface ScoringEngine {
  readonly context: number;
  /** @returns log-probabilities of the tokens from `scoreFrom` on. */
  score(request: {
    readonly tokens: Uint32Array;
    readonly scoreFrom: number;
    readonly steering?: NativeSteering;
  }): Promise<readonly number[]>;
}

export const nativeSteering = ({ expertsUsed, biases }: EngineSteering): NativeSteering => ({
  expertsUsed: expertsUsed ?? 0,
  biases: inOrder(biases),
});

/** What the context does not hold is left out at the end. Rejects 'bad-argument' when nothing is left to score. */
export async function scoreAnswer(
  engine: ScoringEngine,
  encoder: Pick<PromptEncoder, "encode">,
  { messages, answer, steering }: ScoreRequest,
): Promise<Score> {
  const now = new Date();
  const whole = encoder.encode(messages, now, answer);
  // A tokenizer may join the last of the prompt and the first of the answer: what differs is the answer's.
  const scoreFrom = commonPrefix(encoder.encode(messages, now), whole).length;
  const tokens = whole.slice(0, engine.context);
  if (scoreFrom === 0 || tokens.length <= scoreFrom) {
    throw new AppError(
      "bad-argument",
      "There is nothing to score: the answer is empty, or the context holds no more than its prompt.",
    );
  }
  const logprobs = await engine.score({
    tokens,
    scoreFrom,
    ...(steering === undefined ? {} : { steering: nativeSteering(steering) }),
  });
  return { tokens: logprobs.length, logprob: logprobs.reduce((sum, logprob) => sum + logprob, 0) };
}
