// Pure: the bytes of a file -> text, or the verdict that they are none. Untrusted: control characters are taken out, and
// what cannot be shown as text is never guessed at.

export interface DecodedText {
  readonly text: string;
  /** Absent: UTF-8. 'latin-1' is a guess, because every sequence of bytes is valid in it. */
  readonly encoding?: "utf-16" | "latin-1";
}

/** A text may hold some control characters (page breaks, colours of a terminal); more than this share is no text. */
const mostControls = 0.01;
const controls = /(?![\t\n\f\r])\p{Cc}/gu;
/** Colours and cursor moves of a terminal, as logs hold them. */
const terminalSequence = new RegExp(String.raw`\u001b\[[0-9;?]*[ -/]*[@-~]`, "g");

/** @returns null for what is not text: zero bytes, or too many control characters. */
export function decodeText(bytes: Uint8Array): DecodedText | null {
  const decoded = decode(bytes);
  if (decoded === null) return null;
  const plain = decoded.text.replaceAll(terminalSequence, "");
  const cleaned = plain.replaceAll(controls, "");
  if (plain.length - cleaned.length > plain.length * mostControls) return null;
  const text = cleaned.replaceAll(/\r\n?|\f/g, "\n").toWellFormed();
  return { ...decoded, text };
}

function decode(bytes: Uint8Array): DecodedText | null {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return { text: new TextDecoder("utf-16le").decode(bytes), encoding: "utf-16" };
  if (first === 0xfe && second === 0xff) return { text: new TextDecoder("utf-16be").decode(bytes), encoding: "utf-16" };
  if (bytes.includes(0)) return null;
  try {
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch {
    return { text: new TextDecoder("windows-1252").decode(bytes), encoding: "latin-1" };
  }
}

const longestName = 120;

/** A name that can be shown on one line and put into a prompt: no path, no control or direction characters, not too long. */
export function cleanName(name: string, fallback: string): string {
  const last = name.split(/[/\\]/).at(-1) ?? "";
  const plain = last
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu, "")
    .replaceAll(/\s+/gu, " ")
    .trim();
  if (plain.length <= longestName) return plain === "" ? fallback : plain;
  const extension = /\.[\w-]{1,12}$/.exec(plain)?.[0] ?? "";
  return `${plain.slice(0, longestName - 1 - extension.length).toWellFormed()}…${extension}`;
}
