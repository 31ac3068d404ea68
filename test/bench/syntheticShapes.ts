/**
 * What the synthetic models are made of: the true shapes of published MoE models (some cut to fewer layers), as a list of
 * tensors with their number formats in the usual Q4_K_M mix, and the metadata that goes with them. Pure data; the bytes
 * are drawn elsewhere. Speed depends on shapes and formats alone, so random weights measure what real ones would.
 */

export type BlockFormat = "F32" | "Q8_0" | "Q4_K" | "Q6_K" | "MXFP4";

export interface Shape {
  readonly architecture: "olmoe" | "llama" | "qwen3moe" | "gpt-oss";
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

/** Every context is 40k, also where the published model's is shorter, so that long prompts can be measured on all. */
export const contextLength = 40_960;

const cutShapes = {
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
  "gpt-oss": {
    architecture: "gpt-oss",
    title: "gpt-oss-20b, whole",
    layers: 24,
    width: 2880,
    heads: 64,
    kvHeads: 8,
    headWidth: 64,
    experts: 32,
    expertsUsed: 4,
    expertWidth: 2880,
    vocabulary: 201_088,
    ropeBase: 150_000,
    epsilon: 1e-5,
  },
} as const satisfies Record<string, Shape>;

export const shapes: Readonly<Record<string, Shape>> = cutShapes;

/** Those that are cut above, with all their layers: 26 and 18 GB. */
const wholeShapes: ReadonlyArray<[string, Shape]> = [
  ["mixtral-whole", { ...cutShapes.mixtral, title: "Mixtral 8x7B, whole", layers: 32 }],
  ["qwen3moe-whole", { ...cutShapes.qwen3moe, title: "Qwen3-30B-A3B, whole", layers: 48 }],
];

const tinySize = { layers: 2, width: 256, heads: 4, headWidth: 64, expertWidth: 256, vocabulary: 1024 };
const tinyShapes = Object.entries(shapes).map(([name, shape]): [string, Shape] => {
  const kvHeads = shape.kvHeads === shape.heads ? tinySize.heads : 2;
  const experts = Math.min(shape.experts, 16);
  const expertsUsed = Math.min(shape.expertsUsed, 4);
  return [`${name}-tiny`, { ...shape, ...tinySize, kvHeads, experts, expertsUsed, title: `${name}, tiny` }];
});

/** All models by the name that the command line takes: the full shapes, and a `-tiny` one of each for tests. */
export const models: ReadonlyMap<string, Shape> = new Map([...Object.entries(shapes), ...wholeShapes, ...tinyShapes]);

/** The layers that the Q4_K_M mix keeps at more bits: the first and last eighth and every third between. */
function wantsMoreBits(layer: number, layers: number): boolean {
  const eighth = Math.floor(layers / 8);
  return layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2;
}

function attentionValueFormat(shape: Shape, layer: number): BlockFormat {
  if (shape.experts === 8) return "Q8_0";
  return wantsMoreBits(layer, shape.layers) ? "Q6_K" : "Q4_K";
}

const blockTensor = (layer: number, part: string): string => `blk.${layer}.${part}`;
const ones = (name: string, size: number): TensorPlan => ({ name, dims: [size], format: "F32", spread: "ones" });
const bias = (name: string, dims: number[]): TensorPlan => ({ name, dims, format: "F32", spread: 0.02 });
const matrix = (name: string, dims: number[], format: BlockFormat): TensorPlan => ({
  name,
  dims,
  format,
  spread: 1 / Math.sqrt(dims[0] ?? 1),
});

/** Q4_K_M, as llama.cpp mixes it. */
function mixedLayer(shape: Shape, layer: number): TensorPlan[] {
  const { width, heads, kvHeads, headWidth, experts, expertWidth } = shape;
  const at = (part: string): string => blockTensor(layer, `${part}.weight`);
  const qWidth = heads * headWidth;
  const kvWidth = kvHeads * headWidth;
  const headNorms = shape.architecture === "qwen3moe" ? [headWidth, headWidth] : [qWidth, kvWidth];
  const [qNorm = 0, kNorm = 0] = headNorms;
  return [
    ones(at("attn_norm"), width),
    matrix(at("attn_q"), [width, qWidth], "Q4_K"),
    matrix(at("attn_k"), [width, kvWidth], experts === 8 ? "Q8_0" : "Q4_K"),
    matrix(at("attn_v"), [width, kvWidth], attentionValueFormat(shape, layer)),
    matrix(at("attn_output"), [qWidth, width], "Q4_K"),
    ...(shape.architecture === "llama" ? [] : [ones(at("attn_q_norm"), qNorm), ones(at("attn_k_norm"), kNorm)]),
    ones(at("ffn_norm"), width),
    matrix(at("ffn_gate_inp"), [width, experts], "F32"),
    matrix(at("ffn_gate_exps"), [width, expertWidth, experts], "Q4_K"),
    matrix(at("ffn_up_exps"), [width, expertWidth, experts], "Q4_K"),
    matrix(at("ffn_down_exps"), [expertWidth, width, experts], wantsMoreBits(layer, shape.layers) ? "Q6_K" : "Q4_K"),
  ];
}

/** gpt-oss as published: experts in MXFP4, the rest in Q8_0, biases everywhere, a sink for each head. */
function gptOssLayer(shape: Shape, layer: number): TensorPlan[] {
  const { width, heads, kvHeads, headWidth, experts, expertWidth } = shape;
  const qWidth = heads * headWidth;
  const kvWidth = kvHeads * headWidth;
  const biased = (part: string, dims: number[], format: BlockFormat): TensorPlan[] => [
    matrix(blockTensor(layer, `${part}.weight`), dims, format),
    bias(blockTensor(layer, `${part}.bias`), dims.slice(1)),
  ];
  return [
    ones(blockTensor(layer, "attn_norm.weight"), width),
    ...biased("attn_q", [width, qWidth], "Q8_0"),
    ...biased("attn_k", [width, kvWidth], "Q8_0"),
    ...biased("attn_v", [width, kvWidth], "Q8_0"),
    ...biased("attn_output", [qWidth, width], "Q8_0"),
    bias(blockTensor(layer, "attn_sinks.weight"), [heads]),
    ones(blockTensor(layer, "post_attention_norm.weight"), width),
    ...biased("ffn_gate_inp", [width, experts], "F32"),
    ...biased("ffn_gate_exps", [width, expertWidth, experts], "MXFP4"),
    ...biased("ffn_up_exps", [width, expertWidth, experts], "MXFP4"),
    ...biased("ffn_down_exps", [expertWidth, width, experts], "MXFP4"),
  ];
}

export function tensorsOf(shape: Shape): TensorPlan[] {
  const { width, vocabulary } = shape;
  const isGptOss = shape.architecture === "gpt-oss";
  const layerTensors = isGptOss ? gptOssLayer : mixedLayer;
  return [
    { name: "token_embd.weight", dims: [width, vocabulary], format: isGptOss ? "Q8_0" : "Q4_K", spread: 1 },
    ones("output_norm.weight", width),
    // Twice the usual spread: flat logits would make every greedy token a near tie.
    {
      name: "output.weight",
      dims: [width, vocabulary],
      format: isGptOss ? "Q8_0" : "Q6_K",
      spread: 2 / Math.sqrt(width),
    },
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

/** llama.cpp's numbers for "mostly Q4_K, medium" and "mostly MXFP4 experts". */
const fileTypes = { q4km: 15, mxfp4: 38 } as const;

/** YaRN from 4,096 tokens and alternating windows of 128. */
function gptOssMetadata(): MetadataEntry[] {
  return [
    { key: "gpt-oss.attention.sliding_window", type: "u32", value: 128 },
    { key: "gpt-oss.rope.scaling.type", type: "string", value: "yarn" },
    { key: "gpt-oss.rope.scaling.factor", type: "f32", value: 32 },
    { key: "gpt-oss.rope.scaling.original_context_length", type: "u32", value: 4096 },
  ];
}

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
  const isGptOss = shape.architecture === "gpt-oss";
  return [
    { key: "general.architecture", type: "string", value: shape.architecture },
    { key: "general.name", type: "string", value: `synthetic-${name}` },
    { key: "general.file_type", type: "u32", value: isGptOss ? fileTypes.mxfp4 : fileTypes.q4km },
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
    ...(isGptOss ? gptOssMetadata() : []),
    ...tokenizerMetadata(shape.vocabulary),
  ];
}
