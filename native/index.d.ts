/**
 * The addon's door for TypeScript. Only electron/engine/host.ts imports it. Errors thrown or passed to callbacks are
 * `Error` objects with a `code`: 'bad-file' | 'unsupported' | 'bad-argument' | 'out-of-memory' | 'io' |
 * 'device-lost' (only a new process can use the graphics card again) | 'internal', or 'cancelled' for a load that was abandoned.
 */
export type GgufScalar = string | number | bigint | boolean;
/** Integers outside +-2^53 arrive as bigint; number arrays as Float64Array. */
export type GgufValue = GgufScalar | string[] | boolean[] | Float64Array;

/** Metadata of a GGUF file, checked and bounded; reads no tensor data. Throws on a bad file. */
export function readMetadata(path: string): Map<string, GgufValue>;

/** What the header says about the model, without `context` and `backend`. Throws on a bad file, a drafter or an unknown architecture. */
export function inspectModel(path: string): Omit<ModelInfo, "context" | "backend">;

/** What a drafter's file says. Throws 'unsupported' when it is no drafter, 'bad-argument' when it was made for another model than the one at `modelPath`. */
export function inspectDrafter(path: string, modelPath: string): DrafterInfo;

export interface DrafterInfo {
  readonly kind: "mdlm" | "dflash";
  readonly name: string;
  readonly fileBytes: number;
  /** Tokens of one draft. */
  readonly maxLength: number;
}

/** SHA-256 of a file as lower-case hex, computed off the JS thread. */
export function hashFile(path: string): Promise<string>;

export interface ModelInfo {
  readonly architecture: string;
  readonly name: string;
  readonly quantisation: string;
  readonly layers: number;
  readonly moeLayers: number;
  readonly experts: number;
  readonly expertsUsed: number;
  readonly vocab: number;
  readonly contextTrained: number;
  readonly context: number;
  readonly params: number;
  readonly paramsActive: number;
  readonly fileBytes: number;
  readonly backend: string;
}

export interface LoadOptions {
  readonly path: string;
  /** 0 or absent: physical cores. */
  readonly threads?: number;
  /** Tokens of KV for all sequences; 0 or absent: min(trained, 8192). */
  readonly context?: number;
  readonly prefillChunk?: number;
  readonly kvType?: "F16" | "BF16" | "F32" | "Q8_0";
  readonly exact?: boolean;
  /** Absent: 'cpu'. 'auto': a graphics card if there is one on which the parts that every token reads fit, else the processor. */
  readonly device?: "auto" | "cpu" | "cuda" | "metal";
  /** Of the device's own memory to use; 0 or absent: what is free, less a reserve. */
  readonly deviceBytes?: number;
  /** Of experts on a device that does not hold all: whether they change places. Absent: 'fixed'. */
  readonly expertCache?: "fixed" | "lru" | "lfu";
  /** [moeLayers][experts] how often each was chosen earlier: a device that holds some only begins with the favourites. */
  readonly expertUsage?: ReadonlyArray<readonly number[]>;
  /** Files of drafting models for this one, at most one of a kind. */
  readonly drafters?: readonly string[];
}

export interface PlanOptions extends Omit<LoadOptions, "path"> {
  /** Instead of what this machine has free now, in bytes. */
  readonly budget?: { readonly vram: number; readonly ram: number; readonly unified?: boolean };
  /** Of the card, in bytes: what a model that is loaded now gives back before this one is loaded. */
  readonly returnedVram?: number;
}

/** Bytes of each kind in one memory. */
export interface MemoryUse {
  /** What every token reads. */
  readonly weights: number;
  readonly experts: number;
  /** Keys, values and recurrent states. */
  readonly kv: number;
  readonly work: number;
}

/** In bytes; 0: not asked for. Of a plan, what is free counts what this process holds for itself now. */
export interface MachineMemory {
  readonly ram: number;
  readonly ramFree: number;
  readonly vram: number;
  readonly vramFree: number;
  /** The card takes its part from the RAM. */
  readonly unified: boolean;
}

export interface ModelPlan {
  readonly placement: "gpu" | "hybrid" | "cpu" | "too-large";
  /** One sentence for people. */
  readonly reason: string;
  readonly gpu: MemoryUse;
  readonly cpu: MemoryUse;
  readonly experts: number;
  readonly expertsOnGpu: number;
  /** Tokens planned for. */
  readonly context: number;
  /** The longest context with which the model would be placed somewhere; 0: none. */
  readonly mostContext: number;
  readonly machine: MachineMemory & {
    /** Name of the device; "": none, or none asked for. */
    readonly card: string;
    /** Why a card that was asked for cannot be used. */
    readonly noCard: string;
  };
}

/** Where a model would go: what `conclave plan` prints. Rejects for a bad file; a card that is not there is no error. */
export function planModel(path: string, options?: PlanOptions): Promise<ModelPlan>;

/** Where a loaded model is at this moment. */
export interface Residence {
  readonly device: MemoryUse;
  /** What the processor computes with, as far as it came to be in memory. */
  readonly host: MemoryUse;
  /** Its total less what is free and what `device` and `host` say is what other programs use. */
  readonly machine: MachineMemory;
  /** [moeLayers][experts] 0: on the device, 1: in memory, 2: on disk (less than half of it is in memory). */
  readonly tiers: Uint8Array;
}

export interface SamplerOptions {
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
  readonly repetitionWindow?: number;
  readonly seed?: number;
  readonly logitBias?: ReadonlyArray<readonly [token: number, bias: number]>;
  readonly topLogprobs?: number;
}

export interface RequestOptions {
  readonly tokens: Uint32Array;
  readonly maxTokens?: number;
  readonly stopTokens?: Uint32Array;
  readonly sampler?: SamplerOptions;
  /** Never changes what is emitted, only when. `length`: tokens drafted at each step; 0 or absent: as many as pay. */
  readonly draft?: { readonly mode: DraftMode; readonly length?: number };
  readonly steering?: Steering;
  /** > 0: the prompt's tokens from here on are scored; see RequestBatch.scores. */
  readonly scoreFrom?: number;
}

/** Asks the routers to choose otherwise than they were trained to. What is computed so is shared with nothing steered otherwise. */
export interface Steering {
  /** Experts per token in every layer, 1 to as many as trained; 0 or absent: as trained. */
  readonly expertsUsed?: number;
  /** Ascending by layer, then expert. `layer` counts those with experts; `bias` is added to the router's logit; null: never chosen. */
  readonly biases?: ReadonlyArray<{ readonly layer: number; readonly expert: number; readonly bias: number | null }>;
}

export type DraftMode = "off" | "lookup" | "mdlm" | "dflash" | "auto";

export interface RunTimings {
  readonly queueMs: number;
  readonly prefillMs: number;
  readonly decodeMs: number;
  readonly firstTokenMs: number;
  readonly promptTokens: number;
  readonly reusedTokens: number;
  readonly generatedTokens: number;
  readonly draftedTokens: number;
  readonly acceptedTokens: number;
  /** Forward passes that emitted the tokens. */
  readonly passes: number;
  /** Spent in drafters. */
  readonly draftMs: number;
  /** What a token of this answer would have taken without drafts, as measured beside them; 0: not known well enough. */
  readonly plainMs: number;
  /** Distinct experts per MoE layer and pass, mean. */
  readonly distinctExperts: number;
  /** [16] by position in the draft: verified drafts that reached it (all tokens before it stood), and those of them that stood there. */
  readonly triedAt: readonly number[];
  readonly stoodAt: readonly number[];
}

export type StopReason = "end-of-text" | "max-tokens" | "context-full" | "cancelled";

/** One wake-up of JS: everything that happened since the last one, in order prefill, tokens, end. */
export interface RequestBatch {
  readonly prefill?: { readonly done: number; readonly reused: number; readonly total: number };
  /** Log-probabilities of the next prompt tokens from `scoreFrom` on, each given all before it. */
  readonly scores: Float32Array;
  /** [n] token ids. */
  readonly tokens: Uint32Array;
  /** [n] log-probabilities of the model's own distribution. */
  readonly logprobs: Float32Array;
  /** [n] 1: a draft had it right, so that it cost no pass of its own. */
  readonly drafted: Uint8Array;
  /** [n][moeLayers][expertsUsed, or what steering says] routing of the forward row that produced each token, best first. */
  readonly experts: Uint16Array;
  readonly expertWeights: Float32Array;
  /** Alternatives per token when topLogprobs > 0. */
  readonly top?: ReadonlyArray<ReadonlyArray<{ readonly token: number; readonly logprob: number }>>;
  readonly ended?: { readonly reason: StopReason; readonly timings: RunTimings };
  readonly failed?: { readonly code: string; readonly message: string };
}

export interface EngineStats {
  readonly weightBytes: number;
  readonly activeBytesPerToken: number;
  readonly kvBytesReserved: number;
  readonly kvPagesTotal: number;
  readonly kvPagesFree: number;
  readonly kvPagesCached: number;
  readonly running: number;
  readonly waiting: number;
  /** Of the layers whose experts a device holds in part: all, and those there now. */
  readonly expertsPlaced: number;
  readonly expertsOnDevice: number;
  /** (row, expert) pairs of those layers that the device computed, and those that the processor did. */
  readonly expertHits: number;
  readonly expertMisses: number;
  /** To the device, to stay or for one pass of a prompt (whose pairs are not counted above). */
  readonly expertBytesMoved: number;
  readonly residentBytes: number;
  /** Of this process, without the pages of files but those of weights that the processor reads; the peak as far as stats() was asked. */
  readonly hostBytes: number;
  readonly hostPeakBytes: number;
  /** The peak without weights, keys and values. */
  readonly hostWorkPeakBytes: number;
  /** Of the device, 0 without one: what the engine took there, at most, and what is left. */
  readonly deviceBytes: number;
  readonly devicePeakBytes: number;
  readonly deviceFreeBytes: number;
  readonly deviceTotalBytes: number;
  readonly backend: string;
}

/** A prefix on disk, in whole pages of 32 tokens: what is left over is neither saved nor loaded. The engine's version, the backend and the page layout are checked as well. */
export interface PrefixFile {
  readonly path: string;
  /** Of the loaded model's file; 64 hex digits. */
  readonly modelSha256: string;
  readonly tokens: Uint32Array;
}

export interface EngineRequest {
  /** Seen before the next forward chunk; the run still ends with its `ended` batch (reason 'cancelled'). */
  cancel(): void;
}

export class Engine {
  private constructor();
  /** Loads off the JS thread. `onProgress` gets bytes; returning false abandons the load. */
  static open(options: LoadOptions, onProgress?: (done: number, total: number) => boolean | void): Promise<Engine>;
  readonly info: ModelInfo;
  /** Throws 'bad-argument' at once; later failures arrive as `failed`. `onBatch` is never called after `ended` or `failed`. */
  request(options: RequestOptions, onBatch: (batch: RequestBatch) => void): EngineRequest;
  stats(): EngineStats;
  /** Waits for the next step and asks the system about a sample of the file's pages; meant for once a second at most. */
  residence(): Promise<Residence>;
  /** How many leading tokens are known in memory, so that a request that begins with them need not compute them. */
  knownPrefix(tokens: Uint32Array): Promise<number>;
  /** Writes a known prefix, atomically. Resolves with the file's bytes; rejects 'bad-argument' when it is not known or fills no page, 'io'. */
  savePrefix(file: PrefixFile): Promise<number>;
  /**
   * Makes a prefix known from its file. Resolves with the file's bytes; rejects 'io', 'bad-file' (damaged, or of another
   * model, engine version, backend, page layout or text), 'out-of-memory' when running requests leave no room.
   */
  loadPrefix(file: PrefixFile): Promise<number>;
  /** Cancels every request, waits for their last batch, frees the model. Idempotent. */
  close(): Promise<void>;
}

/** Version of this engine build, part of every run record: the release and a hash over its sources and compiler, "0.1.0+16 hex digits". */
export const engineVersion: string;
