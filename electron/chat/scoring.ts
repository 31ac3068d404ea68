// How well a model expects an answer's words, with its experts steered and as it was trained: the prompt is made again from the
// run's record, and the answer is read as its continuation.
import type { Message, RunPrompt } from "../contract/chat.ts";
import { AppError } from "../contract/errors.ts";
import type { Steering } from "../contract/steering.ts";
import type { EngineApi, Score } from "../engine/engineApi.ts";
import { beginningOf } from "./beginning.ts";
import type { ContextFit } from "./contextFit.ts";
import type { Conversations } from "./conversations.ts";
import { textOf } from "./transcript.ts";
import type { TurnDependencies } from "./turns.ts";

export type ScoringDependencies = Pick<TurnDependencies, "models" | "prefixes" | "preferences"> & {
  readonly engine: Pick<EngineApi, "score">;
  readonly conversations: Conversations;
  readonly contextFit: ContextFit;
};

export interface AnswerScore {
  readonly tokens: number;
  /** Mean log-probability of a token, in nats. */
  readonly unsteered: number;
  readonly steered: number;
}

const meanOf = ({ tokens, logprob }: Score): number => logprob / tokens;

/** @throws AppError 'bad-argument' for what is no answer of a run, 'conflict' when another model wrote it. */
export async function scoreAnswer(
  { engine, models, prefixes, preferences, conversations, contextFit }: ScoringDependencies,
  message: Message,
  steering: Steering,
): Promise<AnswerScore> {
  const prompt: RunPrompt | null = message.run?.prompt ?? null;
  const modelId = message.run?.modelId ?? "";
  if (prompt === null || message.parentId === null)
    throw new AppError("bad-argument", "This answer was not written by a run, so its words cannot be scored.");
  if (modelId !== steering.modelId)
    throw new AppError("conflict", "Another model wrote this answer; answer again with the model that is steered.");
  await models.ensureLoaded(modelId);
  const conversation = conversations.get(message.conversationId);
  const beginning = beginningOf(conversation, preferences(), prefixes.prefix(prompt.template));
  const { messages } = await contextFit.fit({
    modelId,
    systemPrompt: prompt.systemPrompt,
    examples: beginning.examples,
    turns: conversations.turns(conversation.id, message.parentId),
    startId: prompt.firstMessageId,
    context: prompt.context,
    reserved: 0,
  });
  const answer = textOf(message);
  const unsteered = await engine.score({ messages, answer });
  const steered = await engine.score({ messages, answer, steering });
  return { tokens: unsteered.tokens, unsteered: meanOf(unsteered), steered: meanOf(steered) };
}
