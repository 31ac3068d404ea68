/**
 * A model's vocabulary as its GGUF metadata declares it, checked and bounded, before anything is built from it.
 * Owns the meaning of the `tokenizer.ggml.*` keys. A hostile file costs at most a few seconds and a one-sentence error.
 */
import {
  MetadataError,
  booleanAt,
  integerAt,
  numbersAt,
  stringAt,
  stringsAt,
  type GgufMetadata,
} from "./ggufMetadata.ts";
import { preTokenizerNamed, type PreTokenizer } from "./preTokenizers.ts";

/** GGUF's token types (`tokenizer.ggml.token_type`). */
export const TokenKind = {
  undefined: 0,
  normal: 1,
  unknown: 2,
  control: 3,
  userDefined: 4,
  unused: 5,
  byte: 6,
} as const;
export type TokenKind = (typeof TokenKind)[keyof typeof TokenKind];

export interface Vocabulary {
  /** byteLevel: GPT-2's byte alphabet and a merge list. sentencePiece: ▁ for space, merges by score, `<0xNN>` bytes. */
  readonly scheme: "byteLevel" | "sentencePiece";
  /** id -> text as the file spells it. */
  readonly tokens: readonly string[];
  /** id -> kind. */
  readonly kinds: Uint8Array;
  /** id -> score; sentencePiece only. */
  readonly scores: ArrayLike<number>;
  /** Pairs in order of preference; byteLevel only. */
  readonly merges: readonly (readonly [string, string])[];
  readonly pre: PreTokenizer;
  /** sentencePiece puts one space before a text. */
  readonly addSpacePrefix: boolean;
  readonly bos: number | null;
  readonly eos: number | null;
  readonly eot: number | null;
  readonly unknown: number | null;
  /** Every id that ends a generation. */
  readonly ends: ReadonlySet<number>;
  readonly addBos: boolean;
}

export const MAX_TOKENS = 1 << 20;
export const MAX_TOKEN_LENGTH = 4096;
const MAX_MERGES = 4 << 20;
/** Sum over tokens of length squared: what finding every split of every token costs. Real vocabularies stay under 1e8. */
const MAX_SPLIT_WORK = 1e9;

/** End-of-turn markers that models generate but whose files often fail to declare. */
export const END_TOKENS: readonly string[] = [
  "<|eot_id|>",
  "<|im_end|>",
  "<|end|>",
  "<|return|>",
  "<|call|>",
  "<end_of_turn>",
  "<turn|>",
  "<|endoftext|>",
  "<|end_of_text|>",
  "<|eom_id|>",
  "<EOT>",
  "_<EOT>",
  "[EOT]",
  "<｜end▁of▁sentence｜>",
  "<|end▁of▁sentence|>",
  "<end_of_utterance>",
  "<|eos|>",
  "<|user|>",
  "<|observation|>",
  "<|END_OF_TURN_TOKEN|>",
  "<|eot|>",
  "[e~[",
];
/** Of those, the ones that end one turn of a conversation rather than a document. */
const EOT_TOKENS: ReadonlySet<string> = new Set([
  "<|eot_id|>",
  "<|im_end|>",
  "<|end|>",
  "<end_of_turn>",
  "<turn|>",
  "<|eot|>",
  "<EOT>",
  "_<EOT>",
  "[EOT]",
  "<|END_OF_TURN_TOKEN|>",
]);

const byteTokenPattern = /^<0x([0-9A-Fa-f]{2})>$/;

/** The byte that a `<0xNN>` token stands for; undefined for any other text. */
export function byteOfToken(text: string): number | undefined {
  const digits = byteTokenPattern.exec(text)?.[1];
  return digits === undefined ? undefined : Number.parseInt(digits, 16);
}

/** Some conversions declare their end markers as user-defined text instead of control tokens. */
function isMarker(kind: number | undefined): boolean {
  return kind === TokenKind.control || kind === TokenKind.userDefined;
}

/** Every id that ends a generation: the declared ends, and markers with the text of a known end marker. */
export function endTokenIds(
  idOf: (text: string) => number | undefined,
  kinds: Uint8Array,
  declared: readonly (number | null)[],
): Set<number> {
  const ends = new Set(declared.filter((id) => id !== null));
  for (const text of END_TOKENS) {
    const id = idOf(text);
    if (id !== undefined && isMarker(kinds[id])) ends.add(id);
  }
  return ends;
}

/** The end-of-turn token by its text, where the file does not declare one. */
export function endOfTurnId(idOf: (text: string) => number | undefined, kinds: Uint8Array): number | null {
  for (const text of EOT_TOKENS) {
    const id = idOf(text);
    if (id !== undefined && isMarker(kinds[id])) return id;
  }
  return null;
}

/** Reads and checks a vocabulary. Throws MetadataError in one sentence with the cause, the number and a way out. */
export function readVocabulary(metadata: GgufMetadata): Vocabulary {
  const model = stringAt(metadata, "tokenizer.ggml.model");
  if (model !== "gpt2" && model !== "llama") {
    const found = model === undefined ? "no tokenizer" : `a "${model.slice(0, 40)}" tokenizer`;
    throw new MetadataError(
      `The model file has ${found}, and only "gpt2" and "llama" can be read from a model file; put the model's tokenizer.json beside it.`,
    );
  }
  const tokens = stringsAt(metadata, "tokenizer.ggml.tokens", MAX_TOKENS, MAX_TOKEN_LENGTH);
  if (tokens === undefined || tokens.length === 0)
    throw new MetadataError(
      'The model file has no "tokenizer.ggml.tokens"; put the model\'s tokenizer.json beside it.',
    );
  const sentencePiece = model === "llama";
  const kinds = readKinds(metadata, tokens, sentencePiece);
  const idOf = firstIds(tokens);
  const at = (name: string): number | null => tokenIdAt(metadata, `tokenizer.ggml.${name}_token_id`, tokens.length);
  const eos = at("eos");
  const eot = at("eot") ?? endOfTurnId((text) => idOf.get(text), kinds);
  const pre = readPreTokenizer(metadata, sentencePiece);
  const bos = at("bos");
  const eom = at("eom");
  // Some conversions declare these as ordinary text, which would show them to the reader.
  for (const id of [bos, eos, eot, eom]) if (id !== null) kinds[id] = TokenKind.control;
  return {
    scheme: sentencePiece ? "sentencePiece" : "byteLevel",
    tokens,
    kinds,
    scores: sentencePiece ? readScores(metadata, tokens) : [],
    merges: sentencePiece ? [] : readMerges(metadata, idOf),
    pre,
    addSpacePrefix: sentencePiece && (booleanAt(metadata, "tokenizer.ggml.add_space_prefix") ?? true),
    bos,
    eos,
    eot,
    unknown: at("unknown"),
    ends: endTokenIds((text) => idOf.get(text), kinds, [eos, eot, eom]),
    addBos: bos !== null && (booleanAt(metadata, "tokenizer.ggml.add_bos_token") ?? (sentencePiece || pre.addBos)),
  };
}

/** Text -> id; of two tokens with one text the first counts, so that encoding is deterministic. */
function firstIds(tokens: readonly string[]): Map<string, number> {
  const ids = new Map<string, number>();
  for (let id = tokens.length - 1; id >= 0; id--) ids.set(tokens[id] as string, id);
  return ids;
}

function tokenIdAt(metadata: GgufMetadata, key: string, count: number): number | null {
  const id = integerAt(metadata, key);
  // Converters write -1 or 0xFFFFFFFF for "none"; other ids past the end are equally no token.
  return id === undefined || id < 0 || id >= count ? null : id;
}

function readKinds(metadata: GgufMetadata, tokens: readonly string[], sentencePiece: boolean): Uint8Array {
  const declared = numbersAt(metadata, "tokenizer.ggml.token_type", tokens.length);
  const kinds = new Uint8Array(tokens.length).fill(TokenKind.normal);
  for (let id = 0; id < tokens.length; id++) {
    const kind = declared?.[id] ?? TokenKind.normal;
    kinds[id] = kind >= 0 && kind <= 6 ? kind : TokenKind.undefined;
    if (declared === undefined && sentencePiece && byteOfToken(tokens[id] as string) !== undefined)
      kinds[id] = TokenKind.byte;
  }
  return kinds;
}

function readScores(metadata: GgufMetadata, tokens: readonly string[]): ArrayLike<number> {
  const scores = numbersAt(metadata, "tokenizer.ggml.scores", tokens.length);
  if (scores === undefined)
    throw new MetadataError(
      'The model file has no "tokenizer.ggml.scores", without which its vocabulary cannot be used; put the model\'s tokenizer.json beside it.',
    );
  let work = 0;
  for (const token of tokens) work += token.length * token.length;
  if (work > MAX_SPLIT_WORK)
    throw new MetadataError(
      `The model file's tokens are too long to be a vocabulary (${work.toExponential(1)} steps to split them, ${MAX_SPLIT_WORK.toExponential(0)} accepted); the file is probably damaged.`,
    );
  return scores;
}

function readMerges(metadata: GgufMetadata, idOf: ReadonlyMap<string, number>): [string, string][] {
  const key = "tokenizer.ggml.merges";
  const lines = stringsAt(metadata, key, MAX_MERGES, 2 * MAX_TOKEN_LENGTH + 1);
  if (lines === undefined)
    throw new MetadataError(
      `The model file has no "${key}", without which its vocabulary cannot be used; put the model's tokenizer.json beside it.`,
    );
  return lines.map((line, i) => {
    // A token may itself begin with a space, so the separator is the first space after the first character.
    const cut = line.indexOf(" ", 1);
    const left = line.slice(0, cut);
    const right = line.slice(cut + 1);
    if (cut < 0 || !idOf.has(left) || !idOf.has(right) || !idOf.has(left + right)) {
      throw new MetadataError(
        `The model file's merge ${i} (${JSON.stringify(line.slice(0, 60))}) names a token that its vocabulary of ${idOf.size} does not have; download the file again or use another conversion of the model.`,
      );
    }
    return [left, right];
  });
}

function readPreTokenizer(metadata: GgufMetadata, sentencePiece: boolean): PreTokenizer {
  const name = sentencePiece ? "default" : (stringAt(metadata, "tokenizer.ggml.pre") ?? "default");
  const pre = preTokenizerNamed(name);
  if (pre === undefined)
    throw new MetadataError(
      `The model file cuts text by the rules of "${name.slice(0, 40)}", which are not known here; put the model's tokenizer.json beside it.`,
    );
  return pre;
}
