// The text of a PDF, read by pdf.js in a worker that knows no network, runs nothing that the file holds (no scripts, no
// forms, no fonts) and is ended after a minute, whatever the file does to it.
import { getDocument, PDFWorker } from "pdfjs-dist";
// Vite makes it: the address of the file, which is copied as it is.
// oxlint-disable-next-line import/default
import workerUrl from "pdfjs-dist/build/pdf.worker.min.mjs?url";
import type { AttachmentFacts } from "../../../electron/contract/attachments.ts";
import { startWorker } from "../../platform/workers.ts";

const mostPages = 500;
const longestMs = 60_000;

/** Character maps of Chinese, Japanese and Korean fonts that PDFs name without bringing them along. */
const characterMaps = import.meta.glob<string>("../../../node_modules/pdfjs-dist/cmaps/*.bcmap", {
  query: "?url",
  import: "default",
  eager: true,
});

class CharacterMaps {
  async fetch({ kind, filename }: { readonly kind: string; readonly filename: string }): Promise<Uint8Array> {
    const url = kind === "cMapUrl" ? characterMaps[`../../../node_modules/pdfjs-dist/cmaps/${filename}`] : undefined;
    if (url === undefined) throw new Error(`There is no ${filename} here.`);
    const response = await fetch(url);
    return new Uint8Array(await response.arrayBuffer());
  }
}

export interface PdfText {
  readonly text: string;
  readonly facts: Pick<AttachmentFacts, "pages" | "pagesRead" | "pagesEmpty">;
}

export type PdfTrouble = "password" | "damaged" | "slow";
export class UnreadablePdf extends Error {
  readonly trouble: PdfTrouble;
  constructor(trouble: PdfTrouble) {
    super(trouble);
    this.trouble = trouble;
  }
}

/** @param mostCharacters no page is begun beyond them. @throws UnreadablePdf. */
export async function readPdf(bytes: Uint8Array, mostCharacters: number): Promise<PdfText> {
  const port = startWorker(workerUrl);
  const worker = PDFWorker.create({ port });
  const patience = Promise.withResolvers<never>();
  const timer = setTimeout(() => patience.reject(new UnreadablePdf("slow")), longestMs);
  // A worker that cannot start, or dies of what it reads, says nothing through pdf.js.
  port.addEventListener("error", () => patience.reject(new UnreadablePdf("damaged")));
  try {
    return await Promise.race([readPages(bytes, worker, mostCharacters), patience.promise]);
  } catch (error) {
    if (error instanceof UnreadablePdf) throw error;
    const isLocked = error instanceof Error && error.name === "PasswordException";
    throw new UnreadablePdf(isLocked ? "password" : "damaged");
  } finally {
    clearTimeout(timer);
    worker.destroy();
    port.terminate();
  }
}

async function readPages(bytes: Uint8Array, worker: PDFWorker, mostCharacters: number): Promise<PdfText> {
  const pdf = await getDocument({
    data: bytes,
    worker,
    BinaryDataFactory: CharacterMaps,
    cMapUrl: "maps/",
    useWorkerFetch: false,
    useWasm: false,
    isOffscreenCanvasSupported: false,
    isImageDecoderSupported: false,
    disableFontFace: true,
    useSystemFonts: false,
    enableXfa: false,
    verbosity: 0,
  }).promise;
  const pages = pdf.numPages;
  const texts: string[] = [];
  let length = 0;
  let pagesEmpty = 0;
  let pagesRead = 0;
  while (pagesRead < Math.min(pages, mostPages)) {
    const page = await pdf.getPage(pagesRead + 1);
    const { items } = await page.getTextContent();
    const text = items
      .map((item) => ("str" in item ? item.str + (item.hasEOL ? "\n" : "") : ""))
      .join("")
      .replaceAll(/(?![\t\n])\p{Cc}/gu, "")
      .replaceAll(/[ \t]+\n/g, "\n")
      .toWellFormed()
      .trim();
    page.cleanup();
    const marked = `[Page ${pagesRead + 1}]\n${text}`;
    if (length + marked.length > mostCharacters) break;
    pagesRead += 1;
    length += marked.length + 2;
    if (text === "") pagesEmpty += 1;
    else texts.push(marked);
  }
  return { text: texts.join("\n\n"), facts: { pages, pagesRead, ...(pagesEmpty > 0 ? { pagesEmpty } : {}) } };
}
