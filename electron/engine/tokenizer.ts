/**
 * The door for everything about tokens: text to ids and back, from a GGUF file's own metadata (here) or from a
 * tokenizer.json beside it, through @huggingface/tokenizers. Owns which tokens may be read out of text: a user's message
 * never becomes a control token unless the caller asks for it. Holds no state between calls but caches.
 */
import { BPE, Tokenizer as HubTokenizer } from "@huggingface/tokenizers";
import type { GgufMetadata } from "./ggufMetadata.ts";
import { LiteralSplitter } from "./literalSplitter.ts";
import { readVocabulary, TokenKind, type Vocabulary } from "./vocabulary.ts";
import { SPACE_MARK, VocabularyTokenizer, type Tokenizer } from "./vocabularyTokenizer.ts";

export { MetadataError, type GgufMetadata, type GgufValue } from "./ggufMetadata.ts";
export { createTokenizerFromJson, TokenizerError } from "./tokenizerJson.ts";
export type { Tokenizer } from "./vocabularyTokenizer.ts";

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
