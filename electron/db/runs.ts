// The runs table: how each answer came about, one row per assistant message.
import type { Selectable } from "kysely";
import {
  type Draft,
  draftSchema,
  reuseReasonSchema,
  type ReuseReason,
  type Run,
  runPromptSchema,
  type RunPrompt,
  type Sampler,
  samplerSchema,
  stopReasonSchema,
  type StopReason,
  type Timings,
} from "../contract/chat.ts";
import { defaultSampler } from "../contract/chat.ts";
import { type WireError, wireErrorSchema } from "../contract/errors.ts";
import type { Database } from "./database.ts";
import type { RunsTable } from "./schema.ts";

export interface NewRun {
  readonly id: string;
  readonly messageId: string;
  readonly modelId: string;
  readonly modelName: string;
  /** '' until known. */
  readonly modelSha256: string;
  readonly templateId: string;
  readonly sampler: Sampler;
  readonly seed: number;
  readonly draft: Draft | null;
  readonly startedAt: number;
}

export function insertRun(db: Database, run: NewRun): void {
  db.run(
    db.build.insertInto("runs").values({
      id: run.id,
      message_id: run.messageId,
      model_id: run.modelId,
      model_name: run.modelName,
      model_sha256: run.modelSha256,
      template_id: run.templateId,
      sampler: JSON.stringify(run.sampler),
      seed: run.seed,
      engine_version: "",
      started_at: run.startedAt,
      stop_reason: null,
      error: null,
      prompt_tokens: null,
      reused_tokens: null,
      generated_tokens: null,
      drafted_tokens: null,
      accepted_tokens: null,
      first_token_ms: null,
      prefill_ms: null,
      decode_ms: null,
      draft: run.draft === null ? null : JSON.stringify(run.draft),
    }),
  );
}

export interface RunOutcome {
  readonly engineVersion: string;
  readonly stopReason: StopReason | null;
  readonly error: WireError | null;
  readonly timings: Timings | null;
  readonly prompt: RunPrompt | null;
  readonly reuse: ReuseReason | null;
}

export function finishRun(db: Database, runId: string, outcome: RunOutcome): void {
  const timings = outcome.timings;
  db.run(
    db.build
      .updateTable("runs")
      .set({
        engine_version: outcome.engineVersion,
        stop_reason: outcome.stopReason,
        // Details hold stacks and paths: they go to the log, not into a record that people export.
        error:
          outcome.error === null ? null : JSON.stringify({ code: outcome.error.code, message: outcome.error.message }),
        prompt: outcome.prompt === null ? null : JSON.stringify(outcome.prompt),
        reuse: outcome.reuse === null ? null : JSON.stringify(outcome.reuse),
        prompt_tokens: timings?.promptTokens ?? null,
        reused_tokens: timings?.reusedTokens ?? null,
        generated_tokens: timings?.generatedTokens ?? null,
        drafted_tokens: timings?.draftedTokens ?? null,
        accepted_tokens: timings?.acceptedTokens ?? null,
        first_token_ms: timings?.firstTokenMs ?? null,
        prefill_ms: timings?.prefillMs ?? null,
        decode_ms: timings?.decodeMs ?? null,
        passes: timings?.passes ?? null,
        draft_ms: timings?.draftMs ?? null,
        plain_ms: timings?.plainMs ?? null,
        distinct_experts: timings?.distinctExperts ?? null,
        experts_used: timings?.expertsUsed ?? null,
      })
      .where("id", "=", runId),
  );
}

export const fillHashQuery = (db: Database, modelId: string, sha256: string) =>
  db.build
    .updateTable("runs")
    .set({ model_sha256: sha256 })
    .where("model_id", "=", modelId)
    .where("model_sha256", "=", "");

export function runOfRow(row: Selectable<RunsTable>): Run {
  return {
    id: row.id,
    modelId: row.model_id,
    modelName: row.model_name,
    modelSha256: row.model_sha256,
    templateId: row.template_id,
    sampler: parse(samplerSchema, row.sampler) ?? defaultSampler,
    seed: row.seed,
    draft: row.draft === null ? null : (parse(draftSchema, row.draft) ?? null),
    engineVersion: row.engine_version,
    startedAt: row.started_at,
    stopReason: stopReasonSchema.safeParse(row.stop_reason).data ?? null,
    error: row.error === null ? null : (parse(wireErrorSchema, row.error) ?? null),
    timings: timingsOf(row),
    prompt: row.prompt === null ? null : (parse(runPromptSchema, row.prompt) ?? null),
    reuse: row.reuse === null ? null : (parse(reuseReasonSchema, row.reuse) ?? null),
  };
}

/** A record that this version does not understand is left out rather than making the conversation unreadable. */
function parse<T>(schema: { safeParse(value: unknown): { data?: T } }, json: string): T | undefined {
  try {
    return schema.safeParse(JSON.parse(json)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function timingsOf(row: Selectable<RunsTable>): Timings | null {
  if (row.prompt_tokens === null) return null;
  return {
    promptTokens: row.prompt_tokens,
    reusedTokens: row.reused_tokens ?? 0,
    generatedTokens: row.generated_tokens ?? 0,
    draftedTokens: row.drafted_tokens ?? 0,
    acceptedTokens: row.accepted_tokens ?? 0,
    firstTokenMs: row.first_token_ms ?? 0,
    prefillMs: row.prefill_ms ?? 0,
    decodeMs: row.decode_ms ?? 0,
    ...(row.passes === null
      ? {}
      : {
          passes: row.passes,
          draftMs: row.draft_ms ?? 0,
          plainMs: row.plain_ms ?? 0,
          distinctExperts: row.distinct_experts ?? 0,
          expertsUsed: row.experts_used ?? 0,
        }),
  };
}
