/**
 * What every tokenizer of ours can do, and the half of it that needs only the vocabulary: ids to bytes and to text for a
 * person. Encoding is handed in. Assumes that the parts have been checked.
 */
import { byteOfToken, TokenKind, type Vocabulary } from "./vocabulary.ts";

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

export interface TokenizerParts {
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

/** SentencePiece's spelling of a space. */
export const SPACE_MARK = "▁";
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

export class VocabularyTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly bos: number | null;
  readonly eos: number | null;
  readonly eot: number | null;
  readonly ends: ReadonlySet<number>;
  readonly addBos: boolean;
  readonly addsSpacePrefix: boolean;
  readonly #parts: TokenizerParts;
  readonly #bytes: (Uint8Array | undefined)[];

  constructor(parts: TokenizerParts) {
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
