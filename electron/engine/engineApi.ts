// What services may ask of the engine process. engineClient.ts implements it over a message port to host.ts; the process
// is started on the first need and again after a crash. Services never see native types.
import type { Draft, Sampler, StopReason, Timings } from "../contract/chat.ts";
import type { EngineStatus } from "../contract/engine.ts";
import type { TraceChunk } from "../contract/experts.ts";
import type { LoadOptions, ModelPlan, Placement } from "../contract/placement.ts";
import type { Steering } from "../contract/steering.ts";

/** What the header of a model file says, read in the engine process so that a hostile file cannot hurt the app. */
export interface InspectedModel {
  readonly architecture: string;
  readonly name: string;
  readonly quantisation: string;
  readonly fileBytes: number;
  readonly layers: number;
  readonly moeLayers: number;
  readonly experts: number;
  readonly expertsUsed: number;
  readonly params: number;
  readonly paramsActive: number;
  readonly contextTrained: number;
}

/** A file that drafts for a model. */
export interface InspectedDrafter {
  readonly kind: "mdlm" | "dflash";
  readonly name: string;
  readonly fileBytes: number;
  /** Tokens of one draft. */
  readonly maxLength: number;
}

export interface LoadRequest {
  readonly path: string;
  readonly threads: number;
  readonly context: number;
  /** Chat template: the file's own, or a built-in form. */
  readonly chatTemplate: "model" | "chatml" | "plain";
  /** Multiply in float with the weights as the file says: slower, for comparisons. */
  readonly exact?: boolean | undefined;
  /** Files of drafting models for this one. */
  readonly drafters?: string[] | undefined;
  /** Absent: the processor. */
  readonly device?: LoadOptions["device"] | undefined;
  readonly kvType?: LoadOptions["kvType"] | undefined;
  readonly expertCache?: LoadOptions["expertCache"] | undefined;
  /** Of the card, to use; absent or 0: what is free. */
  readonly deviceBytes?: number | undefined;
  /** [moeLayers][experts] how often each was chosen earlier. */
  readonly expertUsage?: number[][] | undefined;
}

export interface LoadedInfo extends InspectedModel {
  readonly context: number;
  /** Over all layers, on a graphics card. */
  readonly expertsOnGpu: number;
  readonly backend: string;
  readonly engineVersion: string;
}

export interface ChatTurn {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

export interface RunRequest {
  readonly messages: readonly ChatTurn[];
  readonly sampler: Sampler;
  /** Chosen by the caller so that it can be recorded. */
  readonly seed: number;
  /** Absent: no drafting. */
  readonly draft?: Draft | undefined;
  /** Words the answer already has; it goes on behind them. */
  readonly answerStart?: string | undefined;
  /** Absent: the experts are chosen as the model was trained. Its modelId is the caller's business. */
  readonly steering?: EngineSteering | undefined;
}

export type EngineSteering = Pick<Steering, "expertsUsed" | "biases">;

export interface ScoreRequest {
  readonly messages: readonly ChatTurn[];
  readonly answer: string;
  readonly steering?: EngineSteering | undefined;
}

export interface Score {
  /** Of the answer; its first ones where the context holds no more. */
  readonly tokens: number;
  /** Sum of their log-probabilities, in nats. */
  readonly logprob: number;
}

export interface RunEvents {
  onPrefill(progress: { done: number; reused: number; total: number }): void;
  /** At most one call per ~16 ms. `text` may be empty while a character is incomplete; `trace` covers exactly these tokens. */
  onTokens(piece: { text: string; tokens: number; tokenIds: Uint32Array; trace: TraceChunk | null }): void;
}

export interface RunResult {
  readonly reason: StopReason;
  readonly timings: Timings;
}

export interface RunHandle {
  /** Resolves at the end (also after cancel: reason 'cancelled'); rejects with AppError ('engine-crashed', 'template-failed', ...). */
  readonly result: Promise<RunResult>;
  cancel(): void;
}

/** As they cross to the engine process. */
export type TokenIds = Uint32Array<ArrayBuffer>;

/** Tokens of a page of the engine's memory; files hold whole pages. */
export const pageTokens = 32;

export interface WarmRequest {
  readonly tokens: TokenIds;
  /** Where its keys and values are kept; null: only in memory. */
  readonly file: string | null;
  /** Of the loaded model; only matters with a file. */
  readonly modelSha256: string;
  /** False: take what is in memory or on disk, but compute nothing. */
  readonly compute: boolean;
}

export interface WarmedPrefix {
  readonly source: "memory" | "disk" | "computed" | "none";
  /** Of the file; 0: there is none. */
  readonly bytes: number;
  /** Until it was in memory. */
  readonly ms: number;
  /** Why the file was refused, or not written. */
  readonly trouble: string | null;
}

export interface EngineApi {
  status(): EngineStatus;
  onStatus(listener: (status: EngineStatus) => void): () => void;
  inspect(path: string): Promise<InspectedModel>;
  /** @throws AppError when it is no drafter, or one for another model than that file's. */
  inspectDrafter(path: string, modelPath: string): Promise<InspectedDrafter>;
  hashFile(path: string): Promise<string>;
  /** Replaces the loaded model. Progress in bytes. A second load cancels the first ('cancelled'). */
  load(request: LoadRequest, onProgress: (done: number, total: number) => void): Promise<LoadedInfo>;
  cancelLoad(): void;
  /** Where a load would put the model, were the loaded one closed first. */
  plan(request: LoadRequest): Promise<ModelPlan>;
  /** Where the loaded model is; nothing is loaded for the question: null without one. */
  placement(): Promise<Placement | null>;
  unload(): Promise<void>;
  /** After a crash the model of the last successful load is loaded again first. Fails with 'no-model' if there is none. */
  run(request: RunRequest, events: RunEvents): RunHandle;
  countTokens(text: string): Promise<number>;
  /** Tokens of the whole prompt that `run` would make of these messages. */
  countPrompt(messages: readonly ChatTurn[]): Promise<number>;
  /** How well the model expects an answer after these messages. */
  score(request: ScoreRequest): Promise<Score>;
  /** What the prompts of two conversations have in common, as tokens of the loaded model. */
  commonTokens(first: readonly ChatTurn[], second: readonly ChatTurn[]): Promise<TokenIds>;
  /** How many leading tokens the engine holds in memory; nothing is loaded for the question: 0 without a model. */
  knownPrefix(tokens: TokenIds): Promise<number>;
  /** Keeps a prefix computed, so that a run that begins with it need not. */
  warmPrefix(request: WarmRequest): Promise<WarmedPrefix>;
  /** After three strikes: forget them and start. */
  restart(): Promise<void>;
  /** Stops the process. Idempotent. */
  close(): Promise<void>;
}
