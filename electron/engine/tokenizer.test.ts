import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { brotliDecompressSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeText } from "./detokenizer.ts";
import { MetadataError, type GgufMetadata, type GgufValue } from "./ggufMetadata.ts";
import { preTokenizerNames } from "./preTokenizers.ts";
import { createTokenizer, createTokenizerFromJson, TokenizerError, type Tokenizer } from "./tokenizer.ts";

const fixtures = fileURLToPath(new URL("../../test/fixtures/vocab/", import.meta.url));
const readJson = (name: string): unknown => JSON.parse(readFileSync(fixtures + name, "utf8"));
const readPacked = (name: string): unknown =>
  JSON.parse(brotliDecompressSync(readFileSync(fixtures + name)).toString("utf8"));
const metadataOf = (name: string): Record<string, GgufValue> =>
  readPacked(`${name}.metadata.json.br`) as Record<string, GgufValue>;

/** GPT-2's printable stand-ins for the 256 bytes, found independently of the code under test. */
const byteAlphabet = ((): string[] => {
  const own = [...Array(256).keys()].filter((b) => (b > 32 && b < 127) || (b > 160 && b !== 173));
  const rest = [...Array(256).keys()].filter((b) => !own.includes(b));
  return [...Array(256).keys()].map((b) => String.fromCharCode(own.includes(b) ? b : 256 + rest.indexOf(b)));
})();

/** A small byte-level vocabulary: the bytes, then the given tokens. */
function byteLevel(
  extra: readonly (readonly [string, number])[],
  merges: readonly string[],
  more: Record<string, GgufValue> = {},
): GgufMetadata {
  return {
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "gpt-2",
    "tokenizer.ggml.tokens": [...byteAlphabet, ...extra.map(([text]) => text)],
    "tokenizer.ggml.token_type": [...byteAlphabet.map(() => 1), ...extra.map(([, kind]) => kind)],
    "tokenizer.ggml.merges": merges,
    ...more,
  };
}

/** A small SentencePiece vocabulary: `<unk> <s> </s>`, the 256 bytes, then pieces with scores. */
function sentencePiece(
  pieces: readonly (readonly [string, number])[],
  more: Record<string, GgufValue> = {},
): GgufMetadata {
  const bytes = [...Array(256).keys()].map((b) => `<0x${b.toString(16).toUpperCase().padStart(2, "0")}>`);
  return {
    "tokenizer.ggml.model": "llama",
    "tokenizer.ggml.tokens": ["<unk>", "<s>", "</s>", ...bytes, ...pieces.map(([text]) => text)],
    "tokenizer.ggml.scores": Float32Array.from([0, 0, 0, ...bytes.map(() => 0), ...pieces.map(([, score]) => score)]),
    "tokenizer.ggml.token_type": Int32Array.from([2, 3, 3, ...bytes.map(() => 6), ...pieces.map(() => 1)]),
    "tokenizer.ggml.bos_token_id": 1,
    "tokenizer.ggml.eos_token_id": 2n,
    "tokenizer.ggml.unknown_token_id": 0,
    ...more,
  };
}

const texts = (tokenizer: Tokenizer, ids: Uint32Array): string[] => [...ids].map((id) => tokenizer.tokenText(id));

describe.each(["llama-spm", "gpt-neox", "qwen2", "aquila"])("the real vocabulary %s", (name) => {
  const tokenizer = createTokenizer(metadataOf(name));
  const rows = readJson(`${name}.json`) as { text: string; ids: number[] }[];

  test("gives the reference ids for every text", () => {
    expect(rows.length).toBe(57);
    for (const { text, ids } of rows) expect([...tokenizer.encode(text, { special: false })], text).toEqual(ids);
  });

  test("gives every text back from its ids", () => {
    for (const { text, ids } of rows) {
      const bytes = new TextDecoder("utf-8", { ignoreBOM: true }).decode(tokenizer.decodeBytes(ids));
      expect(tokenizer.addsSpacePrefix ? bytes.replace(/^ /, "") : bytes).toBe(text);
      expect(decodeText(tokenizer, ids)).toBe(text);
    }
  });

  test("gives any text back", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary", maxLength: 60 }).filter((text) => text.isWellFormed()),
        (text) => {
          expect(decodeText(tokenizer, tokenizer.encode(text, { special: false }))).toBe(text);
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe("the embedded model's vocabulary", () => {
  const metadata = metadataOf("default-model");
  const fromMetadata = createTokenizer(metadata);
  const fromJson = createTokenizerFromJson(readPacked("default-model.tokenizer.json.br"), {}, metadata);
  const heldOut = readJson("default-model.texts.json") as string[];

  test("is the same from metadata and from tokenizer.json", () => {
    for (const text of heldOut.flatMap((held) => [held, `<|endoftext|><|user|>\n${held}\n<|assistant|>\n`])) {
      for (const special of [true, false])
        expect([...fromJson.encode(text, { special })]).toEqual([...fromMetadata.encode(text, { special })]);
    }
    const facts = ({ vocabSize, bos, eos, eot, addBos, ends, addsSpacePrefix }: Tokenizer): unknown[] => [
      vocabSize,
      bos,
      eos,
      eot,
      addBos,
      ends,
      addsSpacePrefix,
    ];
    expect(facts(fromJson)).toEqual(facts(fromMetadata));
    for (let id = 0; id < fromMetadata.vocabSize; id++) expect(fromJson.tokenText(id)).toBe(fromMetadata.tokenText(id));
  });

  test.each([
    ["metadata", fromMetadata],
    ["tokenizer.json", fromJson],
  ] as const)("reads control tokens out of text only when asked (%s)", (_, tokenizer) => {
    expect([...tokenizer.encode("<|user|>", { special: true })]).toEqual([1]);
    const typed = tokenizer.encode("<|user|>", { special: false });
    expect([...typed].some((id) => tokenizer.isControl(id))).toBe(false);
    expect(decodeText(tokenizer, typed)).toBe("<|user|>");
    expect(tokenizer.tokenText(1)).toBe("<|user|>");
    expect(tokenizer.tokenBytes(1)).toHaveLength(0);
  });
});

describe("pre-tokenizer families", () => {
  test.each(preTokenizerNames())("%s loses no text", (pre) => {
    const tokenizer = createTokenizer(byteLevel([], [], { "tokenizer.ggml.pre": pre }));
    const text = "Don't PANIC: 12345 x=1;\r\n\r\n  naïve 한국어\tTest  漢字かな ½ 🚀👩‍🚀 end   ";
    expect(decodeText(tokenizer, tokenizer.encode(text, { special: false }))).toBe(text);
  });

  // Each merge is possible only if the family keeps its two sides in one word.
  test.each([
    ["gpt-2", "12", true],
    ["refact", "12", false],
    ["qwen2", "12", false],
    ["llama-bpe", "12", true],
    ["gpt-2", "'S", false],
    ["qwen2", "'S", true],
    ["qwen2", "(a", true],
    ["gpt-2", "(a", false],
    ["gpt-4o", "aB", false],
    ["llama-bpe", "aB", true],
    ["gpt-4o", "Ba", true],
    ["tekken", "12", false],
    ["deepseek-llm", "1a", false],
    ["deepseek-v3", "12", true],
    ["default", "!a", false],
    ["falcon", "`a", false],
  ] as const)("%s: is %j one word? %s", (pre, pair, joined) => {
    const left = pair[0] as string;
    const right = pair[1] as string;
    const tokenizer = createTokenizer(byteLevel([[pair, 1]], [`${left} ${right}`], { "tokenizer.ggml.pre": pre }));
    expect(tokenizer.encode(pair, { special: false })).toHaveLength(joined ? 1 : 2);
  });

  test("llama-bpe takes a word that is a token whole although no merge makes it", () => {
    const extra = [["hey", 1]] as const;
    expect([
      ...createTokenizer(byteLevel(extra, [], { "tokenizer.ggml.pre": "llama-bpe" })).encode("hey", { special: false }),
    ]).toEqual([256]);
    expect(createTokenizer(byteLevel(extra, [])).encode("hey", { special: false })).toHaveLength(3);
  });
});

describe("SentencePiece merging by score", () => {
  const pieces = [
    ["▁", -9],
    ["a", -8],
    ["b", -8],
    ["aa", -1],
    ["aaa", -2],
    ["ab", -1],
    ["▁a", -5],
  ] as const;

  test("takes the best score, the leftmost of equals", () => {
    const tokenizer = createTokenizer(sentencePiece(pieces));
    expect(texts(tokenizer, tokenizer.encode("aaaaa", { special: false }))).toEqual([" ", "aa", "aaa"]);
    expect(texts(tokenizer, tokenizer.encode("aab", { special: false }))).toEqual([" ", "aa", "b"]);
  });

  test("spells unknown characters as bytes and puts one space before each stretch of text", () => {
    const tokenizer = createTokenizer(sentencePiece(pieces));
    const ids = tokenizer.encode("é<s>a", { special: true });
    expect([...ids].slice(1, 4)).toEqual([3 + 0xc3, 3 + 0xa9, 1]);
    expect(tokenizer.tokenText(ids.at(-1) as number)).toBe(" a");
    expect(decodeText(tokenizer, tokenizer.encode("é a", { special: false }))).toBe("é a");
  });

  test("adds no space where the file says so", () => {
    const tokenizer = createTokenizer(sentencePiece(pieces, { "tokenizer.ggml.add_space_prefix": false }));
    expect(texts(tokenizer, tokenizer.encode("ab", { special: false }))).toEqual(["ab"]);
  });

  test("is the same with and without cutting at words", () => {
    // A piece across a word's start turns cutting off; being unreachable, it changes nothing else.
    const crossing = createTokenizer(sentencePiece([...pieces, ["x▁y", -1]]));
    const cutting = createTokenizer(sentencePiece([...pieces, ["xyz", -1]]));
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("a", "b", " ", "é"), maxLength: 40 }), (text) => {
        expect([...cutting.encode(text, { special: false })]).toEqual([...crossing.encode(text, { special: false })]);
      }),
    );
  });
});

describe("special tokens", () => {
  test("user-defined tokens are always read, control tokens on request, the longest first", () => {
    const tokenizer = createTokenizer(
      byteLevel(
        [
          ["<a>", 3],
          ["<a><b>", 3],
          ["   ", 4],
          ["<|im_end|>", 3],
          ["__proto__", 1],
        ],
        [],
        { "tokenizer.ggml.eos_token_id": 256 },
      ),
    );
    expect([...tokenizer.encode("<a><b><a>", { special: true })]).toEqual([257, 256]);
    expect([...tokenizer.encode("   x", { special: false })]).toEqual([258, "x".charCodeAt(0)]);
    expect([...tokenizer.ends].sort()).toEqual([256, 259]);
    expect(tokenizer.eot).toBe(259);
  });

  test("ids past the vocabulary mean no such token", () => {
    const tokenizer = createTokenizer(
      byteLevel([], [], {
        "tokenizer.ggml.bos_token_id": 0xffffffff,
        "tokenizer.ggml.eos_token_id": -1,
        "tokenizer.ggml.add_bos_token": true,
      }),
    );
    expect([tokenizer.bos, tokenizer.eos, tokenizer.addBos, tokenizer.ends.size]).toEqual([null, null, false, 0]);
    expect(tokenizer.decodeBytes([9999, -1])).toHaveLength(0);
  });
});

describe("hostile metadata is refused in one sentence", () => {
  const good = byteLevel([["ab", 1]], ["a b"]) as Record<string, GgufValue>;
  const many = new Array<string>((1 << 20) + 1).fill("x");
  test.each<[string, Record<string, unknown>, RegExp]>([
    ["no tokenizer", { "tokenizer.ggml.model": undefined }, /no tokenizer.*tokenizer\.json/],
    ["an unknown kind", { "tokenizer.ggml.model": "rwkv" }, /"rwkv" tokenizer/],
    ["a number for a name", { "tokenizer.ggml.model": 7 }, /a number where a text belongs/],
    ["an unknown family", { "tokenizer.ggml.pre": "zzz" }, /rules of "zzz"/],
    ["no tokens", { "tokenizer.ggml.tokens": [] }, /no "tokenizer\.ggml\.tokens"/],
    ["tokens that are no list", { "tokenizer.ggml.tokens": "abc" }, /a string where a list of texts belongs/],
    ["a token that is no text", { "tokenizer.ggml.tokens": ["a", 1] }, /tokens\[1\]" is a number/],
    ["too many tokens", { "tokenizer.ggml.tokens": many }, /1048577 entries, more than the 1048576/],
    ["a huge token", { "tokenizer.ggml.tokens": ["a".repeat(5000)] }, /5000 characters long/],
    ["types for other tokens", { "tokenizer.ggml.token_type": [1, 1] }, /2 entries for 257 tokens/],
    [
      "types that are no numbers",
      { "tokenizer.ggml.token_type": new Array(257).fill("x") },
      /where a finite number belongs/,
    ],
    ["a merge of unknown tokens", { "tokenizer.ggml.merges": ["a b", "zz b"] }, /merge 1 \("zz b"\)/],
    ["a merge into an unknown token", { "tokenizer.ggml.merges": ["b a"] }, /merge 0 \("b a"\)/],
    ["a merge without two sides", { "tokenizer.ggml.merges": ["ab"] }, /merge 0/],
    ["no merges", { "tokenizer.ggml.merges": undefined }, /no "tokenizer\.ggml\.merges"/],
    ["a fraction for an id", { "tokenizer.ggml.eos_token_id": 0.5 }, /where a whole number belongs/],
  ])("%s", (_, change, message) => {
    const metadata = Object.fromEntries(
      Object.entries({ ...good, ...change }).filter(([, value]) => value !== undefined),
    ) as GgufMetadata;
    expect(() => createTokenizer(metadata)).toThrow(MetadataError);
    expect(() => createTokenizer(metadata)).toThrow(message);
  });

  test("pieces so long that splitting them would take minutes", () => {
    const long = Array.from({ length: 400 }, (_, i) => [`${"a".repeat(4000)}${i}`, -1] as const);
    expect(() => createTokenizer(sentencePiece(long))).toThrow(/too long to be a vocabulary/);
  });

  test("a missing score list", () => {
    const { "tokenizer.ggml.scores": _, ...rest } = sentencePiece([]) as Record<string, GgufValue>;
    expect(() => createTokenizer(rest)).toThrow(/no "tokenizer\.ggml\.scores"/);
  });

  test("random damage gives a MetadataError or a tokenizer that works", () => {
    const junk: fc.Arbitrary<GgufValue> = fc.oneof(
      fc.string(),
      fc.integer(),
      fc.double(),
      fc.boolean(),
      fc.bigInt(),
      fc.array(fc.oneof(fc.string(), fc.integer()), { maxLength: 300 }),
    );
    const bases = [
      good,
      sentencePiece([
        ["a", -1],
        ["aa", -2],
      ]) as Record<string, GgufValue>,
    ];
    fc.assert(
      fc.property(
        fc.constantFrom(...bases),
        fc.constantFrom(...Object.keys(bases[1] as object), "tokenizer.ggml.merges", "tokenizer.ggml.pre"),
        junk,
        (base, key, value) => {
          try {
            const tokenizer = createTokenizer(new Map(Object.entries({ ...base, [key]: value })));
            decodeText(tokenizer, tokenizer.encode("ab <s> é", { special: true }));
          } catch (error) {
            expect(error).toBeInstanceOf(MetadataError);
            expect((error as Error).message).toMatch(/^[^\n]+\.$/);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("tokenizer.json", () => {
  test("that is not one is refused in one sentence", () => {
    for (const json of [
      null,
      [],
      {},
      { model: 1 },
      { model: { type: "BPE", vocab: { a: -1 }, merges: [] } },
      { model: { type: "Odd" } },
      { model: { type: "BPE", vocab: { a: 2 ** 40 }, merges: [] } },
      { model: { type: "BPE", vocab: {}, merges: [] }, added_tokens: [{ id: "x" }] },
    ]) {
      expect(() => createTokenizerFromJson(json), JSON.stringify(json)).toThrow(TokenizerError);
    }
  });

  test("with a SentencePiece model decodes by its own spelling", () => {
    const vocab = { "<unk>": 0, "<s>": 1, "<0xC3>": 2, "<0xA9>": 3, "▁": 4, a: 5, "▁a": 6 };
    const tokenizer = createTokenizerFromJson(
      {
        model: { type: "BPE", vocab, merges: ["▁ a"], unk_token: "<unk>", byte_fallback: true },
        normalizer: {
          type: "Sequence",
          normalizers: [
            { type: "Prepend", prepend: "▁" },
            { type: "Replace", pattern: { String: " " }, content: "▁" },
          ],
        },
        decoder: { type: "Sequence", decoders: [{ type: "ByteFallback" }, { type: "Fuse" }] },
        post_processor: {
          type: "TemplateProcessing",
          single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
          pair: [],
          special_tokens: {},
        },
        added_tokens: [{ id: 1, content: "<s>", special: true }],
      },
      { eos_token: { content: "<unk>" } },
    );
    expect([tokenizer.bos, tokenizer.eos, tokenizer.addBos, tokenizer.addsSpacePrefix]).toEqual([1, 0, true, true]);
    expect([...tokenizer.encode("a é", { special: false })]).toEqual([6, 4, 2, 3]);
    expect(decodeText(tokenizer, [6, 4, 2, 3])).toBe("a é");
  });
});
