/**
 * How byte-level BPE vocabularies cut text into words before merging, keyed by GGUF's `tokenizer.ggml.pre`.
 * One family is a list of patterns; each pattern is applied in turn to every piece the one before it left, and both
 * matches and gaps become pieces. The patterns are those of the models' own tokenizers (Oniguruma syntax).
 * A new family is a row here; nothing else changes.
 */

/** How a family cuts text. */
export interface PreTokenizer {
  readonly patterns: readonly string[];
  /** A word that is a token as it stands is taken whole, whatever its merges would give. */
  readonly wholeWords: boolean;
  /** Whether a sequence begins with BOS when the file does not say. */
  readonly addBos: boolean;
}

const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const SPACES = "\\s+(?!\\S)|\\s+";
const GPT2 = `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|${SPACES}`;
const SYMBOLS = " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+";

/** The cl100k shape: contractions, words with one leading mark, digits in runs of at most `digits`, symbols, line ends. */
const cl100k = (digits: string): string =>
  `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}|${SYMBOLS}|${SPACES}`;

/** The o200k shape: a word breaks where its case turns from lower to upper. */
function o200k(digits: string, contractions: string): string {
  const upper = "\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}";
  const lower = "\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}";
  const mark = "[^\\r\\n\\p{L}\\p{N}]?";
  return `${mark}[${upper}]*[${lower}]+${contractions}|${mark}[${upper}]+[${lower}]*${contractions}|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|${SPACES}`;
}

const KIMI_UPPER = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]";
const KIMI_LOWER = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]";
const KIMI_MARK = "[^\\r\\n\\p{L}\\p{N}]?";
const KIMI = `[\\p{Han}]+|${KIMI_MARK}${KIMI_UPPER}*${KIMI_LOWER}+${CONTRACTIONS}?|${KIMI_MARK}${KIMI_UPPER}+${KIMI_LOWER}*${CONTRACTIONS}?|\\p{N}{1,3}|${SYMBOLS}|${SPACES}`;

const ASCII_PUNCTUATION = "!-\\/:-@\\[-`{-~";
const DEEPSEEK_WORDS = `[${ASCII_PUNCTUATION}][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|${SPACES}`;

const family = (
  patterns: readonly string[],
  options: { wholeWords?: boolean; addBos?: boolean } = {},
): PreTokenizer => ({
  patterns,
  wholeWords: options.wholeWords ?? false,
  addBos: options.addBos ?? false,
});

const gpt2 = family([GPT2]);
const digitsApart = family(["\\p{N}", GPT2]);
const qwen2 = family([cl100k("\\p{N}")]);
const llama3 = family([cl100k("\\p{N}{1,3}")], { wholeWords: true, addBos: true });
const deepseek3 = family(["\\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+", DEEPSEEK_WORDS]);
const gpt4o = family([o200k("\\p{N}{1,3}", `${CONTRACTIONS}?`)]);
const bailing = family([
  `'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]|${SPACES}`,
]);

const FAMILIES: ReadonlyMap<string, PreTokenizer> = new Map(
  (
    [
      [
        "gpt-2 gpt2 phi-2 mpt olmo jais trillion granite-docling exaone4 roberta-bpe jina-es jina-de jina-v1-en jina-v2-es jina-v2-de jina-v2-code",
        gpt2,
      ],
      // Files that name no family were converted for engines that cut punctuation and threes of digits apart first.
      ["default", family(["[\\p{P}$+<=>^~|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"])],
      ["refact granite starcoder command-r smollm codeshell exaone minerva-7b mellum2", digitsApart],
      ["qwen2 deepseek-r1-qwen stablelm2 megrez hunyuan solar-open grok-2 dots1 kormo", qwen2],
      [
        "qwen35",
        family([
          `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|${SPACES}`,
        ]),
      ],
      ["llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2", llama3],
      ["dbrx smaug-bpe glm4 chatglm-bpe", family([cl100k("\\p{N}{1,3}")])],
      ["gpt-4o llama4 kanana2 minimax-m2", gpt4o],
      ["tekken", family([o200k("\\p{N}", "")], { wholeWords: true, addBos: true })],
      ["kimi-k2", family([KIMI])],
      [
        "deepseek-llm",
        family([
          "[\\r\\n]",
          "\\s?[\\p{Lu}\\p{Ll}\\p{Lt}]+",
          "\\s?[!-\\/:-~！-／：-～‘-‟　-。]+",
          "\\s+$",
          "[一-龥ࠀ-一가-퟿]+",
          "\\p{N}+",
        ]),
      ],
      ["deepseek-coder", family(["[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", "[一-龥ࠀ-一가-퟿]+", "\\p{N}"])],
      ["deepseek-v3 deepseek-r1 deepseek-v4 hunyuan-dense joyai-llm", deepseek3],
      ["bailingmoe bailingmoe2 llada-moe", bailing],
      [
        "seed-coder",
        family([
          `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|\\s*[\\r\\n]+|${SPACES}`,
        ]),
      ],
      ["falcon", family(["[\\p{P}$+<=>^~|`]+", GPT2, "[0-9][0-9][0-9]"])],
    ] as const
  ).flatMap(([names, row]) => names.split(" ").map((name) => [name, row] as const)),
);

/** The family of a `tokenizer.ggml.pre` value; undefined when it is not known here. */
export function preTokenizerNamed(name: string): PreTokenizer | undefined {
  return FAMILIES.get(name);
}

export function preTokenizerNames(): readonly string[] {
  return [...FAMILIES.keys()];
}
