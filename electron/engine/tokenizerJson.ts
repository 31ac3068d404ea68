/**
 * A tokenizer from a Hugging Face tokenizer.json (and tokenizer_config.json) that lies beside a model file. Such a file is
 * as untrusted as the model: ids and lengths are bounded, and whatever the library makes of it becomes one sentence.
 */
import { Tokenizer as HubTokenizer } from "@huggingface/tokenizers";
import { booleanAt, integerAt, type GgufMetadata } from "./ggufMetadata.ts";
import { byteOfToken, endOfTurnId, endTokenIds, MAX_TOKEN_LENGTH, MAX_TOKENS, TokenKind } from "./vocabulary.ts";
import { SPACE_MARK, VocabularyTokenizer, type Tokenizer, type TokenizerParts } from "./vocabularyTokenizer.ts";

/** A tokenizer.json that cannot be used; the message is one sentence for the user. */
export class TokenizerError extends Error {
  override readonly name = "TokenizerError";
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
): Pick<TokenizerParts, "bos" | "eos" | "eot" | "ends" | "addBos"> {
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
