/**
 * Text to token ids and back, from a GGUF file's own metadata or from a tokenizer.json beside it, through
 * @huggingface/tokenizers. Owns which tokens are control tokens and when they may be read out of text: a user's
 * message never becomes a control token unless the caller asks for it. Holds no state between calls but caches.
 */
import { BPE, Tokenizer as HubTokenizer } from "@huggingface/tokenizers";
import { booleanAt, integerAt, type GgufMetadata } from "./ggufMetadata.ts";
import { LiteralSplitter } from "./literalSplitter.ts";
import {
  byteOfToken,
  endOfTurnId,
  endTokenIds,
  MAX_TOKENS,
  MAX_TOKEN_LENGTH,
  readVocabulary,
  TokenKind,
  type Vocabulary,
} from "./vocabulary.ts";

export interface Tokenizer {
  /** Ids of the whole vocabulary are 0 .. vocabSize - 1. */
  readonly vocabSize: number;
  readonly bos: number | null;
  readonly eos: number | null;
  /** The token that ends one turn of a conversation, where it is not the eos. */
  readonly eot: number | null;
  /** Every id that ends a generation. */
  readonly ends: ReadonlySet<number>;
  /** Whether the model expects its bos before a text (a chat template that writes it itself must not get a second one). */
  readonly addBos: boolean;
  /** A text's first token carries one space that the text does not have (SentencePiece). */
  readonly addsSpacePrefix: boolean;
  /** Neither bos nor eos is added. `special`: read control tokens such as `<|im_start|>` out of the text. */
  encode(text: string, options: { readonly special: boolean }): Uint32Array;
  /** The bytes one token stands for; none for control tokens and for ids outside the vocabulary. Not to be changed. */
  tokenBytes(id: number): Uint8Array;
  /** The bytes of a sequence, the space of the prefix included. */
  decodeBytes(ids: ArrayLike<number>): Uint8Array;
  /** What to show a person for one token: control tokens by name, bytes that are no whole character as U+FFFD. */
  tokenText(id: number): string;
  isControl(id: number): boolean;
}

/** A tokenizer.json that cannot be used; the message is one sentence for the user. */
export class TokenizerError extends Error {
  override readonly name = "TokenizerError";
}

interface Parts {
  readonly scheme: Vocabulary["scheme"];
  readonly tokens: readonly string[];
  readonly kinds: Uint8Array;
  readonly bos: number | null;
  readonly eos: number | null;
  readonly eot: number | null;
  readonly ends: ReadonlySet<number>;
  readonly addBos: boolean;
  readonly addsSpacePrefix: boolean;
  readonly encode: (text: string, special: boolean) => readonly number[];
}

const SPACE_MARK = "▁";
const NO_BYTES = new Uint8Array(0);
const utf8 = new TextEncoder();

/** GPT-2's printable stand-in for each byte: itself where printable in Latin-1, else the next code point from U+0100 on. */
const BYTE_OF_STAND_IN: ReadonlyMap<string, number> = (() => {
  const stands = new Map<string, number>();
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    stands.set(String.fromCharCode(printable ? byte : next++), byte);
  }
  return stands;
})();

class VocabularyTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly bos: number | null;
  readonly eos: number | null;
  readonly eot: number | null;
  readonly ends: ReadonlySet<number>;
  readonly addBos: boolean;
  readonly addsSpacePrefix: boolean;
  readonly #parts: Parts;
  readonly #bytes: (Uint8Array | undefined)[];

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#bytes = new Array<Uint8Array | undefined>(parts.tokens.length);
    this.vocabSize = parts.tokens.length;
    this.bos = parts.bos;
    this.eos = parts.eos;
    this.eot = parts.eot;
    this.ends = parts.ends;
    this.addBos = parts.addBos;
    this.addsSpacePrefix = parts.addsSpacePrefix;
  }

  encode(text: string, options: { readonly special: boolean }): Uint32Array {
    return Uint32Array.from(this.#parts.encode(text, options.special));
  }

  tokenBytes(id: number): Uint8Array {
    const known = this.#bytes[id];
    if (known !== undefined) return known;
    const text = this.#parts.tokens[id];
    if (text === undefined || this.isControl(id)) return NO_BYTES;
    const bytes = bytesOfToken(text, this.#parts.kinds[id] ?? TokenKind.undefined, this.#parts.scheme);
    this.#bytes[id] = bytes;
    return bytes;
  }

  decodeBytes(ids: ArrayLike<number>): Uint8Array {
    let length = 0;
    for (let i = 0; i < ids.length; i++) length += this.tokenBytes(ids[i] as number).length;
    const bytes = new Uint8Array(length);
    let at = 0;
    for (let i = 0; i < ids.length; i++) {
      const token = this.tokenBytes(ids[i] as number);
      bytes.set(token, at);
      at += token.length;
    }
    return bytes;
  }

  tokenText(id: number): string {
    return this.isControl(id)
      ? (this.#parts.tokens[id] ?? "")
      : new TextDecoder("utf-8", { ignoreBOM: true }).decode(this.tokenBytes(id));
  }

  isControl(id: number): boolean {
    const kind = this.#parts.kinds[id];
    return kind === TokenKind.control || kind === TokenKind.unknown;
  }
}

function bytesOfToken(text: string, kind: number, scheme: Vocabulary["scheme"]): Uint8Array {
  if (scheme === "sentencePiece") {
    const byte = kind === TokenKind.byte ? byteOfToken(text) : undefined;
    return byte === undefined ? utf8.encode(text.replaceAll(SPACE_MARK, " ")) : Uint8Array.of(byte);
  }
  if (kind === TokenKind.userDefined) return utf8.encode(text);
  const bytes: number[] = [];
  for (const character of text) {
    const byte = BYTE_OF_STAND_IN.get(character);
    if (byte === undefined) bytes.push(...utf8.encode(character));
    else bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

/** Builds the tokenizer that a GGUF file describes. Throws MetadataError (one sentence) when the description is unusable. */
export function createTokenizer(metadata: GgufMetadata): Tokenizer {
  const vocabulary = readVocabulary(metadata);
  const hub = vocabulary.scheme === "byteLevel" ? byteLevelTokenizer(vocabulary) : sentencePieceTokenizer(vocabulary);
  const literals = literalTokens(vocabulary);
  const userDefined = new LiteralSplitter(literals.filter(([, id]) => vocabulary.kinds[id] === TokenKind.userDefined));
  const all = new LiteralSplitter(literals);
  const encode = (text: string, special: boolean): number[] => {
    const ids: number[] = [];
    for (const section of (special ? all : userDefined).split(text)) {
      if (typeof section === "number") ids.push(section);
      else for (const id of hub.encode(section, { add_special_tokens: false }).ids) ids.push(id);
    }
    return ids;
  };
  return new VocabularyTokenizer({ ...vocabulary, addsSpacePrefix: vocabulary.addSpacePrefix, encode });
}

/** Tokens that are found in text as they are spelt, before any merging. SentencePiece spells their spaces as marks. */
function literalTokens({ tokens, kinds, scheme }: Vocabulary): [string, number][] {
  const literals: [string, number][] = [];
  tokens.forEach((text, id) => {
    const kind = kinds[id];
    if (kind === TokenKind.control || kind === TokenKind.userDefined || kind === TokenKind.unknown) {
      literals.push([
        scheme === "sentencePiece" && kind === TokenKind.userDefined ? text.replaceAll(SPACE_MARK, " ") : text,
        id,
      ]);
    }
  });
  return literals;
}

/** Text -> id of what merging may produce. Without a prototype, so that a token may be called "__proto__". */
function mergeableIds({ tokens, kinds }: Vocabulary, kept: (kind: number) => boolean): Record<string, number> {
  const ids = Object.create(null) as Record<string, number>;
  for (let id = tokens.length - 1; id >= 0; id--) {
    if (kept(kinds[id] as number)) ids[tokens[id] as string] = id;
  }
  return ids;
}

function byteLevelTokenizer(vocabulary: Vocabulary): HubTokenizer {
  const split = vocabulary.pre.patterns.map((pattern) => ({
    type: "Split",
    pattern: { Regex: pattern },
    behavior: "Isolated",
    invert: false,
  }));
  const isText = (kind: number): boolean =>
    kind === TokenKind.normal || kind === TokenKind.undefined || kind === TokenKind.unused || kind === TokenKind.byte;
  return new HubTokenizer(
    {
      added_tokens: [],
      normalizer: null,
      pre_tokenizer: {
        type: "Sequence",
        pretokenizers: [...split, { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false }],
      },
      model: {
        type: "BPE",
        vocab: mergeableIds(vocabulary, isText),
        merges: vocabulary.merges,
        ignore_merges: vocabulary.pre.wholeWords,
      },
      post_processor: null,
      decoder: null,
    },
    {},
  );
}

function sentencePieceTokenizer(vocabulary: Vocabulary): HubTokenizer {
  const space = { type: "Replace", pattern: { String: " " }, content: SPACE_MARK };
  const { merges, ranks } = mergesFromScores(vocabulary);
  const isPiece = (kind: number): boolean => kind !== TokenKind.control && kind !== TokenKind.userDefined;
  const hub = new HubTokenizer(
    {
      added_tokens: [],
      normalizer: {
        type: "Sequence",
        normalizers: vocabulary.addSpacePrefix ? [{ type: "Prepend", prepend: SPACE_MARK }, space] : [space],
      },
      pre_tokenizer: wordsAreSeparate(vocabulary)
        ? {
            type: "Split",
            pattern: { Regex: `${SPACE_MARK}+[^${SPACE_MARK}]*|[^${SPACE_MARK}]+` },
            behavior: "Isolated",
            invert: false,
          }
        : null,
      model: {
        type: "BPE",
        vocab: mergeableIds(vocabulary, isPiece),
        merges,
        byte_fallback: true,
        unk_token: vocabulary.unknown === null ? null : vocabulary.tokens[vocabulary.unknown],
      },
      post_processor: null,
      decoder: null,
    },
    {},
  );
  // The library ranks merges by their place in the list; SentencePiece ranks by score and takes the leftmost of equals.
  if (hub.model instanceof BPE) hub.model.bpe_ranks = ranks;
  return hub;
}

/** Every split of every piece into two pieces, ranked by the score of the whole: equal scores share a rank. */
function mergesFromScores({ tokens, kinds, scores }: Vocabulary): {
  merges: [string, string][];
  ranks: Map<string, number>;
} {
  const pieces = new Map<string, number>();
  tokens.forEach((text, id) => {
    if (kinds[id] === TokenKind.normal || kinds[id] === TokenKind.unused || kinds[id] === TokenKind.undefined)
      pieces.set(text, scores[id] as number);
  });
  const byScore = [...pieces].sort((a, b) => b[1] - a[1]);
  const merges: [string, string][] = [];
  const ranks = new Map<string, number>();
  let rank = 0;
  byScore.forEach(([text, score], i) => {
    if (i > 0 && score !== byScore[i - 1]?.[1]) rank++;
    for (let cut = 1; cut < text.length; cut++) {
      const left = text.slice(0, cut);
      const right = text.slice(cut);
      if (!pieces.has(left) || !pieces.has(right)) continue;
      merges.push([left, right]);
      ranks.set(JSON.stringify([left, right]), rank);
    }
  });
  return { merges, ranks };
}

/** Where no piece has a space mark after another character, merging never crosses the start of a word: each word alone
 * gives the same tokens, in linear instead of n log n time and with a useful cache. */
function wordsAreSeparate({ tokens, kinds }: Vocabulary): boolean {
  const crossing = new RegExp(`[^${SPACE_MARK}]${SPACE_MARK}`, "u");
  return !tokens.some((text, id) => kinds[id] === TokenKind.normal && crossing.test(text));
}

interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
}

/**
 * Builds a tokenizer from a parsed tokenizer.json and, where it is there, tokenizer_config.json. What neither says
 * (which token begins and ends a text) is taken from the model file's metadata.
 * Throws TokenizerError in one sentence when it is not one, or is of a kind that is not supported.
 */
export function createTokenizerFromJson(
  tokenizerJson: unknown,
  config: unknown = {},
  metadata: GgufMetadata = {},
): Tokenizer {
  try {
    return buildFromJson(tokenizerJson, isRecord(config) ? config : {}, metadata);
  } catch (error) {
    if (error instanceof TokenizerError) throw error;
    throw new TokenizerError(
      `The tokenizer.json cannot be used (${error instanceof Error ? error.message : String(error)}); remove it to use the model file's own tokenizer.`,
      { cause: error },
    );
  }
}

function buildFromJson(json: unknown, config: Record<string, unknown>, metadata: GgufMetadata): Tokenizer {
  if (!isRecord(json) || !isRecord(json["model"]))
    throw new TokenizerError(
      'The tokenizer.json has no "model" part; remove it to use the model file\'s own tokenizer.',
    );
  const added = readAddedTokens(json["added_tokens"]);
  const { tokens, kinds } = tokensFromJson(json["model"], added);
  const addedList: readonly unknown[] = Array.isArray(json["added_tokens"]) ? json["added_tokens"] : [];
  const spec = {
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    ...json,
    added_tokens: addedList,
  };
  const full = new HubTokenizer(spec, config);
  // The same model without its control tokens, so that text cannot name them; the vocabulary is shared, not copied.
  const unmarked = addedList.filter((token) => !isRecord(token) || token["special"] !== true);
  const plain = new HubTokenizer(
    { ...spec, model: { type: "BPE", vocab: {}, merges: [] }, added_tokens: unmarked },
    config,
  );
  plain.model = full.model;
  const ids = specialIds(full, config, metadata, kinds);
  const scheme = mentionsType(json, "ByteLevel") ? "byteLevel" : "sentencePiece";
  const firstText = plain.encode("a", { add_special_tokens: false }).ids[0];
  return new VocabularyTokenizer({
    ...ids,
    scheme,
    tokens,
    kinds,
    addsSpacePrefix:
      scheme === "sentencePiece" && firstText !== undefined && tokens[firstText]?.startsWith(SPACE_MARK) === true,
    encode: (text, special) => (special ? full : plain).encode(text, { add_special_tokens: false }).ids,
  });
}

function specialIds(
  hub: HubTokenizer,
  config: Record<string, unknown>,
  metadata: GgufMetadata,
  kinds: Uint8Array,
): Pick<Parts, "bos" | "eos" | "eot" | "ends" | "addBos"> {
  const idOf = (text: string): number | undefined => hub.token_to_id(text);
  const named = (name: string): number | null => {
    const id = idOf(tokenName(config[`${name}_token`]) ?? "") ?? integerAt(metadata, `tokenizer.ggml.${name}_token_id`);
    return id === undefined || id < 0 || id >= kinds.length ? null : id;
  };
  const first = hub.encode("a", { add_special_tokens: true }).ids[0];
  const startsWithControl = first !== undefined && kinds[first] === TokenKind.control;
  const bos = named("bos") ?? (startsWithControl ? first : null);
  const eos = named("eos");
  const eot = named("eot") ?? endOfTurnId(idOf, kinds);
  const declared =
    typeof config["add_bos_token"] === "boolean"
      ? config["add_bos_token"]
      : booleanAt(metadata, "tokenizer.ggml.add_bos_token");
  return {
    bos,
    eos,
    eot,
    ends: endTokenIds(idOf, kinds, [eos, eot]),
    addBos: bos !== null && (declared ?? startsWithControl),
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function tokenName(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  return isRecord(value) && typeof value["content"] === "string" ? value["content"] : undefined;
}

function readAddedTokens(value: unknown): AddedToken[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value))
    throw new TokenizerError(
      "The tokenizer.json's \"added_tokens\" is not a list; remove it to use the model file's own tokenizer.",
    );
  return value.map((item: unknown, i) => {
    if (!isRecord(item) || typeof item["content"] !== "string" || !isTokenId(item["id"])) {
      throw new TokenizerError(
        `The tokenizer.json's added token ${i} has no text or no id under ${MAX_TOKENS}; remove it to use the model file's own tokenizer.`,
      );
    }
    return { id: item["id"], content: item["content"], special: item["special"] === true };
  });
}

function isTokenId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < MAX_TOKENS;
}

function tokensFromJson(
  model: Record<string, unknown>,
  added: readonly AddedToken[],
): { tokens: string[]; kinds: Uint8Array } {
  const vocab = model["vocab"];
  const entries: [unknown, unknown][] = Array.isArray(vocab)
    ? vocab.map((piece: unknown, id) => [Array.isArray(piece) ? piece[0] : piece, id])
    : isRecord(vocab)
      ? Object.entries(vocab)
      : [];
  for (const { content, id } of added) entries.push([content, id]);
  const tokens: string[] = [];
  for (const [text, id] of entries) {
    if (typeof text !== "string" || text.length > MAX_TOKEN_LENGTH || !isTokenId(id)) {
      throw new TokenizerError(
        `The tokenizer.json has a token that is not a text of at most ${MAX_TOKEN_LENGTH} characters with an id under ${MAX_TOKENS}; remove it to use the model file's own tokenizer.`,
      );
    }
    tokens[id] = text;
  }
  const dense = Array.from(tokens, (text: string | undefined) => text ?? "");
  const kinds = new Uint8Array(dense.length).fill(TokenKind.normal);
  dense.forEach((text, id) => {
    if (model["byte_fallback"] === true && byteOfToken(text) !== undefined) kinds[id] = TokenKind.byte;
  });
  for (const { id, special } of added) kinds[id] = special ? TokenKind.control : TokenKind.userDefined;
  return { tokens: dense, kinds };
}

/** Whether some part of a tokenizer.json (pre-tokenizer or decoder, alone or in a sequence) has the given type. */
function mentionsType(json: Record<string, unknown>, type: string): boolean {
  const parts: unknown[] = [json["pre_tokenizer"], json["decoder"]];
  for (let part = parts.pop(); parts.length > 0 || part !== undefined; part = parts.pop()) {
    if (!isRecord(part)) continue;
    if (part["type"] === type) return true;
    for (const key of ["pretokenizers", "decoders"]) {
      const inner = part[key];
      if (Array.isArray(inner)) parts.push(...inner);
    }
  }
  return false;
}
