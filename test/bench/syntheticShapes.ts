/**
 * What the synthetic models are made of: the true shapes of published MoE models (some cut to fewer layers), as a list of
 * tensors with their number formats in the usual Q4_K_M mix, and the metadata that goes with them. Pure data; the bytes
 * are drawn elsewhere. Speed depends on shapes and formats alone, so random weights measure what real ones would.
 */

export type BlockFormat = "F32" | "Q8_0" | "Q4_K" | "Q6_K";

export interface Shape {
  readonly architecture: "olmoe" | "llama" | "qwen3moe";
  readonly title: string;
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headWidth: number;
  readonly experts: number;
  readonly expertsUsed: number;
  readonly expertWidth: number;
  readonly vocabulary: number;
  readonly ropeBase: number;
  readonly epsilon: number;
}

export interface TensorPlan {
  readonly name: string;
  /** GGUF order: the contiguous dimension first. */
  readonly dims: readonly number[];
  readonly format: BlockFormat;
  /** Standard deviation of the values; norms are all ones. */
  readonly spread: number | "ones";
}

/** Every context is 16k, also where the published model's is shorter, so that long prompts can be measured on all. */
export const contextLength = 16_384;

export const shapes: Readonly<Record<string, Shape>> = {
  olmoe: {
    architecture: "olmoe",
    title: "OLMoE-1B-7B, whole",
    layers: 16,
    width: 2048,
    heads: 16,
    kvHeads: 16,
    headWidth: 128,
    experts: 64,
    expertsUsed: 8,
    expertWidth: 1024,
    vocabulary: 50_304,
    ropeBase: 10_000,
    epsilon: 1e-5,
  },
  mixtral: {
    architecture: "llama",
    title: "Mixtral 8x7B, 4 of 32 layers",
    layers: 4,
    width: 4096,
    heads: 32,
    kvHeads: 8,
    headWidth: 128,
    experts: 8,
    expertsUsed: 2,
    expertWidth: 14_336,
    vocabulary: 32_000,
    ropeBase: 1e6,
    epsilon: 1e-5,
  },
  qwen3moe: {
    architecture: "qwen3moe",
    title: "Qwen3-30B-A3B, 8 of 48 layers",
    layers: 8,
    width: 2048,
    heads: 32,
    kvHeads: 4,
    headWidth: 128,
    experts: 128,
    expertsUsed: 8,
    expertWidth: 768,
    vocabulary: 151_936,
    ropeBase: 1e6,
    epsilon: 1e-6,
  },
};

const tinySize = { layers: 2, width: 256, heads: 4, headWidth: 64, expertWidth: 256, vocabulary: 1024 };
const tinyShapes = Object.entries(shapes).map(([name, shape]): [string, Shape] => {
  const kvHeads = shape.kvHeads === shape.heads ? tinySize.heads : 2;
  const experts = Math.min(shape.experts, 16);
  const expertsUsed = Math.min(shape.expertsUsed, 4);
  return [`${name}-tiny`, { ...shape, ...tinySize, kvHeads, experts, expertsUsed, title: `${name}, tiny` }];
});

/** All models by the name that the command line takes: the full shapes, and a `-tiny` one of each for tests. */
export const models: ReadonlyMap<string, Shape> = new Map([...Object.entries(shapes), ...tinyShapes]);

/** The layers that the Q4_K_M mix keeps at more bits: the first and last eighth and every third between. */
function wantsMoreBits(layer: number, layers: number): boolean {
  const eighth = Math.floor(layers / 8);
  return layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2;
}

function attentionValueFormat(shape: Shape, layer: number): BlockFormat {
  if (shape.experts === 8) return "Q8_0";
  return wantsMoreBits(layer, shape.layers) ? "Q6_K" : "Q4_K";
}

function layerTensors(shape: Shape, layer: number): TensorPlan[] {
  const { width, heads, kvHeads, headWidth, experts, expertWidth } = shape;
  const at = (part: string): string => `blk.${layer}.${part}.weight`;
  const qWidth = heads * headWidth;
  const kvWidth = kvHeads * headWidth;
  const fromWidth = 1 / Math.sqrt(width);
  const norm = (part: string, size: number): TensorPlan => ({
    name: at(part),
    dims: [size],
    format: "F32",
    spread: "ones",
  });
  const matrix = (part: string, dims: number[], format: BlockFormat = "Q4_K"): TensorPlan => ({
    name: at(part),
    dims,
    format,
    spread: 1 / Math.sqrt(dims[0] ?? 1),
  });
  const qkNorms = {
    llama: [],
    olmoe: [norm("attn_q_norm", qWidth), norm("attn_k_norm", kvWidth)],
    qwen3moe: [norm("attn_q_norm", headWidth), norm("attn_k_norm", headWidth)],
  }[shape.architecture];
  return [
    norm("attn_norm", width),
    matrix("attn_q", [width, qWidth]),
    matrix("attn_k", [width, kvWidth], experts === 8 ? "Q8_0" : "Q4_K"),
    matrix("attn_v", [width, kvWidth], attentionValueFormat(shape, layer)),
    matrix("attn_output", [qWidth, width]),
    ...qkNorms,
    norm("ffn_norm", width),
    { name: at("ffn_gate_inp"), dims: [width, experts], format: "F32", spread: fromWidth },
    matrix("ffn_gate_exps", [width, expertWidth, experts]),
    matrix("ffn_up_exps", [width, expertWidth, experts]),
    matrix("ffn_down_exps", [expertWidth, width, experts], wantsMoreBits(layer, shape.layers) ? "Q6_K" : "Q4_K"),
  ];
}

export function tensorsOf(shape: Shape): TensorPlan[] {
  const { width, vocabulary } = shape;
  return [
    { name: "token_embd.weight", dims: [width, vocabulary], format: "Q4_K", spread: 1 },
    { name: "output_norm.weight", dims: [width], format: "F32", spread: "ones" },
    // Twice the usual spread: flat logits would make every greedy token a near tie.
    { name: "output.weight", dims: [width, vocabulary], format: "Q6_K", spread: 2 / Math.sqrt(width) },
    ...Array.from({ length: shape.layers }, (_, layer) => layerTensors(shape, layer)).flat(),
  ];
}

export interface MetadataEntry {
  readonly key: string;
  readonly type: "u32" | "f32" | "bool" | "string" | "strings" | "i32s";
  readonly value: number | boolean | string | readonly string[] | readonly number[];
}

/** GPT-2's printable stand-ins for the 256 bytes, in byte order. */
function byteTokens(): string[] {
  const printable = (byte: number): boolean =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : next++));
}

const merges = ["t h", "h e", "i n", "e r", "a n", "Ġ t", "th e", "o n", "r e", "Ġ a"];
const normalToken = 1;
const controlToken = 3;

function tokenizerMetadata(vocabulary: number): MetadataEntry[] {
  const pieces = [...byteTokens(), ...merges.map((merge) => merge.replace(" ", ""))];
  for (let i = 0; pieces.length < vocabulary - 2; i++) pieces.push(`zq${i}`);
  const tokens = [...pieces, "<|endoftext|>", "<|pad|>"];
  const types = tokens.map((_, id) => (id < vocabulary - 2 ? normalToken : controlToken));
  return [
    { key: "tokenizer.ggml.model", type: "string", value: "gpt2" },
    { key: "tokenizer.ggml.pre", type: "string", value: "gpt-2" },
    { key: "tokenizer.ggml.tokens", type: "strings", value: tokens },
    { key: "tokenizer.ggml.token_type", type: "i32s", value: types },
    { key: "tokenizer.ggml.merges", type: "strings", value: merges },
    { key: "tokenizer.ggml.bos_token_id", type: "u32", value: vocabulary - 2 },
    { key: "tokenizer.ggml.eos_token_id", type: "u32", value: vocabulary - 2 },
    { key: "tokenizer.ggml.padding_token_id", type: "u32", value: vocabulary - 1 },
    { key: "tokenizer.ggml.add_bos_token", type: "bool", value: false },
  ];
}

/** llama.cpp's number for "mostly Q4_K, medium". */
const fileTypeQ4KM = 15;

export function metadataOf(name: string, shape: Shape): MetadataEntry[] {
  const u32 = (key: string, value: number): MetadataEntry => ({
    key: `${shape.architecture}.${key}`,
    type: "u32",
    value,
  });
  const f32 = (key: string, value: number): MetadataEntry => ({
    key: `${shape.architecture}.${key}`,
    type: "f32",
    value,
  });
  return [
    { key: "general.architecture", type: "string", value: shape.architecture },
    { key: "general.name", type: "string", value: `synthetic-${name}` },
    { key: "general.file_type", type: "u32", value: fileTypeQ4KM },
    u32("block_count", shape.layers),
    u32("context_length", contextLength),
    u32("embedding_length", shape.width),
    u32("feed_forward_length", shape.expertWidth),
    u32("expert_feed_forward_length", shape.expertWidth),
    u32("attention.head_count", shape.heads),
    u32("attention.head_count_kv", shape.kvHeads),
    u32("attention.key_length", shape.headWidth),
    u32("attention.value_length", shape.headWidth),
    f32("attention.layer_norm_rms_epsilon", shape.epsilon),
    f32("rope.freq_base", shape.ropeBase),
    u32("rope.dimension_count", shape.headWidth),
    u32("expert_count", shape.experts),
    u32("expert_used_count", shape.expertsUsed),
    u32("vocab_size", shape.vocabulary),
    ...tokenizerMetadata(shape.vocabulary),
  ];
}
