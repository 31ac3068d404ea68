// One run: the answer that is being written, from the first row to the last flush. Keeps the whole text in memory until it
// is safely stored, so that a full or read-only disk loses nothing while the app lives. Says what happened through
// `events`; knows neither the wire nor other runs.
import type { Message, ReuseReason, Run, RunPrompt, Sampler, Timings } from "../contract/chat.ts";
import { AppError, toWire, type WireError } from "../contract/errors.ts";
import type { TraceChunk } from "../contract/experts.ts";
import type { ChatTurn, EngineApi, RunHandle } from "../engine/engineApi.ts";

export interface AnswerPlan {
  readonly run: Run;
  /** The assistant message as stored at the start: generating, with nothing but `answerStart`. */
  readonly message: Message;
  readonly sampler: Sampler;
  /** Words taken over from the answer that this one continues; '' for a new one. */
  readonly answerStart: string;
}

/** What the engine is given, known once the model is loaded. */
export interface PreparedPrompt {
  readonly messages: readonly ChatTurn[];
  readonly prompt: RunPrompt;
  explain(timings: Timings, answer: string): ReuseReason;
}

export interface AnswerEvents {
  onPrefill(progress: { done: number; reused: number; total: number }): void;
  onTokens(piece: {
    offset: number;
    text: string;
    tokens: number;
    tokensPerSecond: number;
    trace: TraceChunk | null;
  }): void;
  /** Exactly once, last. `error` is null for an answer that ended as it should, cancelled ones included. */
  onEnd(error: WireError | null): void;
}

export interface AnswerRun {
  readonly plan: AnswerPlan;
  /** Settles after onEnd; rejects only if onEnd threw. */
  readonly ended: Promise<void>;
  text(): string;
  /** The message as it is now. */
  message(): Message;
  /** 'user': the answer is kept as complete. 'closing': the app ends, the answer counts as interrupted. */
  stop(why: "user" | "closing"): void;
}

/**
 * @param prepare loads the model and makes the prompt; the run waits for it.
 * @param now milliseconds, for the speed.
 */
export function startAnswer(
  plan: AnswerPlan,
  engine: Pick<EngineApi, "run" | "status">,
  prepare: () => Promise<PreparedPrompt>,
  events: AnswerEvents,
  now: () => number,
): AnswerRun {
  let text = plan.answerStart;
  let tokens = 0;
  let { hasTrace } = plan.message;
  let firstTokenAt = 0;
  let state: Message["state"] = "generating";
  let run = plan.run;
  let handle: RunHandle | undefined;
  let stopped: "user" | "closing" | undefined;
  const stopRequest = Promise.withResolvers<null>();

  async function generate(): Promise<Pick<Run, "stopReason" | "timings" | "reuse">> {
    const prepared = await Promise.race([prepare(), stopRequest.promise]);
    if (prepared === null) return { stopReason: "cancelled", timings: null, reuse: null };
    run = { ...run, prompt: prepared.prompt };
    handle = engine.run(
      {
        messages: prepared.messages,
        sampler: plan.sampler,
        seed: run.seed,
        ...(run.draft === null ? {} : { draft: run.draft }),
        ...(prepared.prompt.steering === null ? {} : { steering: prepared.prompt.steering }),
        ...(plan.answerStart === "" ? {} : { answerStart: plan.answerStart }),
      },
      {
        onPrefill: events.onPrefill,
        onTokens(piece) {
          if (state !== "generating") return;
          if (tokens === 0) firstTokenAt = now();
          const seconds = (now() - firstTokenAt) / 1000;
          const offset = text.length;
          // The first piece has no duration yet; the speed is that of the tokens after it.
          const tokensPerSecond = tokens > 0 && seconds > 0 ? tokens / seconds : 0;
          tokens += piece.tokens;
          text += piece.text;
          hasTrace ||= piece.trace !== null;
          events.onTokens({ offset, text: piece.text, tokens, tokensPerSecond, trace: piece.trace });
        },
      },
    );
    run = { ...run, engineVersion: engine.status().engineVersion };
    if (stopped !== undefined) handle.cancel();
    const { reason, timings } = await handle.result;
    return { stopReason: reason, timings, reuse: prepared.explain(timings, text) };
  }

  async function follow(): Promise<void> {
    let failure: WireError | null = null;
    try {
      const outcome = await generate();
      run = { ...run, ...outcome };
      state = stopped === "closing" ? "interrupted" : "complete";
    } catch (error) {
      failure = toWire(error);
      run = { ...run, error: failure };
      state = wasCutOff(error) || text !== plan.answerStart ? "interrupted" : "failed";
    }
    events.onEnd(failure);
  }

  return {
    plan,
    // A microtask later, so that the caller holds the run before its first event.
    ended: Promise.resolve().then(follow),
    text: () => text,
    message: () => ({ ...plan.message, state, parts: [{ type: "text", text }], run, hasTrace }),
    stop(why) {
      stopped ??= why;
      stopRequest.resolve(null);
      handle?.cancel();
    },
  };
}

/** The engine went away under the run, as against a run that could not be. */
function wasCutOff(error: unknown): boolean {
  return error instanceof AppError && (error.code === "engine-crashed" || error.code === "cancelled");
}
