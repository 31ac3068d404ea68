// The same question with and without steering: two answers from the same seed, and how much the steered model still expects
// the words that the model says when left alone.
import type { Message, Run } from "../../electron/contract/chat.ts";
import { AppError } from "../../electron/contract/errors.ts";
import type { Steering } from "../../electron/contract/steering.ts";
import { create } from "zustand";
import { client } from "../platform/client.ts";
import { reportError } from "../platform/toasts.ts";

export interface ComparedAnswer {
  readonly id: string;
  readonly run: Run;
}

export interface Comparison {
  readonly plain: Run;
  readonly steered: Run;
  readonly score: Awaited<ReturnType<typeof client.chat.scoreAnswer>>;
}

export const comparisonStages = ["plain", "steered", "scoring"] as const;
export type ComparisonStage = (typeof comparisonStages)[number];

/** Answers again and waits for the end. Rejects with the run's error. */
async function answerAgain(messageId: string, steered: boolean, seed: number): Promise<ComparedAnswer> {
  const ended = new Map<string, Message>();
  const waiting = new Map<string, (message: Message) => void>();
  const settle = (message: Message): void => {
    ended.set(message.id, message);
    waiting.get(message.id)?.(message);
  };
  const stops = [
    client.chat.on("runEnded", ({ message }) => settle(message)),
    client.chat.on("runFailed", ({ message }) => settle(message)),
  ];
  try {
    const { assistantMessage } = await client.chat.regenerate({ messageId, steered, sampler: { seed } });
    const { id } = assistantMessage;
    const message = ended.get(id) ?? (await new Promise<Message>((resolve) => waiting.set(id, resolve)));
    const { run } = message;
    if (run === null) throw new AppError("internal", "An answer came without its run.");
    if (run.error !== null) throw new AppError(run.error.code, run.error.message);
    if (run.stopReason === "cancelled") throw new AppError("cancelled", "");
    return { id, run };
  } finally {
    for (const stop of stops) stop();
  }
}

interface ComparisonStore {
  /** null: none is under way. */
  readonly stage: ComparisonStage | null;
  /** The last one, and of which conversation. */
  readonly conversationId: string | null;
  readonly result: Comparison | null;
}

/** Outside the view, which goes while the answers that it asked for have no trace yet. */
export const useComparison = create<ComparisonStore>()(() => ({ stage: null, conversationId: null, result: null }));

const isPlain = ({ run }: ComparedAnswer): boolean =>
  run.prompt !== null && run.prompt.steering === null && run.prompt.continuedFrom === 0 && run.timings !== null;

/** @param answer the last of the thread; it serves as the plain one if it is. */
async function compare(answer: ComparedAnswer, steering: Steering): Promise<Comparison> {
  const onStage = (stage: ComparisonStage): void => useComparison.setState({ stage });
  onStage("plain");
  const plain = isPlain(answer) ? answer : await answerAgain(answer.id, false, answer.run.seed);
  onStage("steered");
  const steered = await answerAgain(answer.id, true, plain.run.seed);
  onStage("scoring");
  const score = await client.chat.scoreAnswer({ messageId: plain.id, steering });
  return { plain: plain.run, steered: steered.run, score };
}

export async function compareSteering(
  conversationId: string,
  answer: ComparedAnswer,
  steering: Steering,
): Promise<void> {
  useComparison.setState({ conversationId, result: null });
  try {
    useComparison.setState({ result: await compare(answer, steering) });
  } catch (error) {
    // The user stopped it: nothing to say.
    if (!(error instanceof AppError && error.code === "cancelled")) reportError(error);
  } finally {
    useComparison.setState({ stage: null });
  }
}
