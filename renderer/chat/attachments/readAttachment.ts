// A file that somebody chose, dropped or pasted -> an attachment, or one sentence that says why not. Nothing is read of a
// file that is too large, and nothing is kept of one that holds no text.
import {
  maxAttachmentLength,
  type AttachmentFacts,
  type NewAttachment,
} from "../../../electron/contract/attachments.ts";
import { t } from "../../i18n/texts.ts";
import { formatBytes } from "../../ui/format.ts";
import { cleanName, decodeText } from "./decodeText.ts";
import { kindOfName } from "./fileKinds.ts";

/** Any text that long is within these bytes, whatever its script. */
export const mostTextBytes = 8_000_000;
export const mostPdfBytes = 64_000_000;
/** Where a PDF says that it is one: anywhere in here, by the format's own account. */
const headBytes = 1024;

const refuse = (sentence: string): Error => new Error(sentence);

/** @throws Error with a sentence for the user, in the language of the page. */
export async function readAttachment(file: File): Promise<NewAttachment> {
  const name = cleanName(file.name, t("attachments.unnamed"));
  if (file.size === 0) throw refuse(t("attachments.empty", { name }));
  const isPdf = new TextDecoder("latin1").decode(await bytesOf(file, name, headBytes)).includes("%PDF-");
  const most = isPdf ? mostPdfBytes : mostTextBytes;
  if (file.size > most) {
    const sizes = { size: formatBytes(file.size), over: formatBytes(file.size - most), most: formatBytes(most) };
    throw refuse(t(isPdf ? "attachments.pdfTooLarge" : "attachments.textTooLarge", { name, ...sizes }));
  }
  const bytes = await bytesOf(file, name, file.size);
  return isPdf ? pdfAttachment(name, bytes) : textAttachment(name, bytes);
}

async function bytesOf(file: File, name: string, length: number): Promise<Uint8Array> {
  try {
    return new Uint8Array(await file.slice(0, length).arrayBuffer());
  } catch {
    // A folder, a file that went away, or one without permission.
    throw refuse(t("attachments.unreadable", { name }));
  }
}

async function textAttachment(name: string, bytes: Uint8Array): Promise<NewAttachment> {
  const decoded = decodeText(bytes);
  if (decoded === null) throw refuse(t("attachments.notText", { name }));
  const { text, encoding } = decoded;
  requireText(name, text);
  const { kind, language } = kindOfName(name);
  const facts: AttachmentFacts = encoding === undefined ? {} : { encoding };
  const size = bytes.length;
  if (kind !== "csv") return { name, kind, language, bytes: size, facts, text };
  const { readCsv } = await import("./csvFacts.ts");
  const table = readCsv(text);
  if (table === null) return { name, kind: "text", language: "", bytes: size, facts, text };
  const shape = { rows: table.rowCount, columns: table.columnCount };
  return { name, kind, language, bytes: size, facts: { ...facts, ...shape }, text };
}

async function pdfAttachment(name: string, bytes: Uint8Array): Promise<NewAttachment> {
  const { readPdf, UnreadablePdf } = await import("./readPdf.ts");
  const size = bytes.length;
  try {
    const { text, facts } = await readPdf(bytes, maxAttachmentLength);
    if (text === "") throw refuse(t("attachments.pdfWithoutText", { name, count: facts.pages ?? 0 }));
    return { name, kind: "pdf", language: "", bytes: size, facts, text };
  } catch (error) {
    if (!(error instanceof UnreadablePdf)) throw error;
    throw refuse(t(`attachments.pdf-${error.trouble}`, { name }));
  }
}

function requireText(name: string, text: string): void {
  if (text.trim() === "") throw refuse(t("attachments.empty", { name }));
  const over = text.length - maxAttachmentLength;
  if (over > 0) throw refuse(t("attachments.tooLong", { name, over, most: maxAttachmentLength }));
}

/** A text that was pasted, which has no file and so no name. */
export function pastedAttachment(pasted: string, number: number): NewAttachment {
  const name = t("attachments.pastedName", { number });
  const bytes = new TextEncoder().encode(pasted);
  const text = decodeText(bytes)?.text ?? pasted;
  requireText(name, text);
  return { name, kind: "text", language: "", bytes: bytes.length, facts: { pasted: true }, text };
}
