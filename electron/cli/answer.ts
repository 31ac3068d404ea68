// One answer in the terminal: a run of the engine, its text to standard output as it comes.
import { randomInt } from "node:crypto";
import type { ChatTurn, EngineApi, LoadedInfo, RunHandle } from "../engine/engineApi.ts";
import type { StopReason, Timings } from "../contract/chat.ts";
import type { ChatOptions } from "./options.ts";

export interface Answer {
  readonly text: string;
  readonly tokens: number[];
  readonly seed: number;
  readonly reason: StopReason;
  readonly timings: Timings;
}

export interface RunningAnswer {
  readonly handle: RunHandle;
  readonly done: Promise<Answer>;
}

export function startAnswer(
  engine: EngineApi,
  options: ChatOptions,
  turns: readonly ChatTurn[],
  write: (text: string) => void,
): RunningAnswer {
  const seed = options.seed ?? randomInt(2 ** 32);
  const messages = options.system === null ? turns : [{ role: "system" as const, content: options.system }, ...turns];
  let text = "";
  const tokens: number[] = [];
  const handle = engine.run(
    { messages, sampler: options.sampler, seed, draft: options.draft },
    {
      onPrefill: () => {},
      onTokens: (piece) => {
        text += piece.text;
        for (const id of piece.tokenIds) tokens.push(id);
        write(piece.text);
      },
    },
  );
  const done = handle.result.then(({ reason, timings }) => ({ text, tokens, seed, reason, timings }));
  return { handle, done };
}

const round = (value: number): number => Math.round(value * 100) / 100;

/** The last line of `--json`. Times are milliseconds. */
export function answerJson(answer: Answer, info: LoadedInfo, model: string): string {
  const { timings } = answer;
  return JSON.stringify({
    text: answer.text,
    tokens: answer.tokens,
    prompt_tokens: timings.promptTokens,
    reused_tokens: timings.reusedTokens,
    drafted: timings.draftedTokens,
    accepted: timings.acceptedTokens,
    passes: timings.passes ?? 0,
    draft_ms: round(timings.draftMs ?? 0),
    plain_ms: round(timings.plainMs ?? 0),
    distinct_experts: round(timings.distinctExperts ?? 0),
    stop_reason: answer.reason,
    seed: answer.seed,
    model,
    backend: info.backend,
    first_token_ms: round(timings.firstTokenMs),
    prefill_ms: round(timings.prefillMs),
    decode_ms: round(timings.decodeMs),
    tokens_per_second: timings.decodeMs > 0 ? round((timings.generatedTokens * 1000) / timings.decodeMs) : 0,
  });
}
