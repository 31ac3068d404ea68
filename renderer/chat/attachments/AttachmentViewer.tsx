// What the model is given of an attachment, to be read: as text, or as a table.
import { useEffect, useState, type ReactNode } from "react";
import type { Attachment } from "../../../electron/contract/attachments.ts";
import { client } from "../../platform/client.ts";
import { saveFile } from "../../platform/files.ts";
import { reportError } from "../../platform/toasts.ts";
import { t } from "../../i18n/texts.ts";
import { Button } from "../../ui/Button.tsx";
import { formatBytes } from "../../ui/format.ts";
import { Modal } from "../../ui/Modal.tsx";
import { copyAttachment } from "./attachmentActions.ts";
import { useAttachments } from "./attachmentStore.ts";
import { cautionWords, shapeWords, sizeWords } from "./attachmentWords.ts";
import type { CsvTable } from "./csvFacts.ts";

const shownRows = 200;
const shownColumns = 40;
/** Of one piece of a long text: pieces far from the view are not laid out. */
const pieceLines = 200;

/** Cut after every so many lines, so that a text of megabytes opens at once. */
export function piecesOf(text: string): string[] {
  const pieces: string[] = [];
  let start = 0;
  let lines = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) {
    lines += 1;
    if (lines % pieceLines !== 0) continue;
    pieces.push(text.slice(start, at));
    start = at + 1;
  }
  return [...pieces, text.slice(start)];
}

function ScrollRegion({ label, children }: { readonly label: string; readonly children: ReactNode }) {
  return (
    <div
      // Scrollable content must be reachable by keyboard (WCAG 2.1.1).
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={0}
      role="region"
      aria-label={label}
      className="max-h-[58vh] overflow-auto rounded-lg border border-line"
    >
      {children}
    </div>
  );
}

function TextBody({ text }: { readonly text: string }) {
  return (
    <ScrollRegion label={t("attachments.text")}>
      <div className="bg-surface p-3">
        {piecesOf(text).map((piece, index) => (
          // Pieces of a text that never changes: their places are their names.
          // oxlint-disable-next-line react/no-array-index-key
          <pre key={index} className="text-piece font-mono text-[13px] leading-5 wrap-anywhere whitespace-pre-wrap">
            {piece}
          </pre>
        ))}
      </div>
    </ScrollRegion>
  );
}

function TableBody({ table }: { readonly table: CsvTable }) {
  const [head = [], ...rows] = table.rows.map((row) => row.slice(0, shownColumns));
  return (
    <ScrollRegion label={t("attachments.table")}>
      <table className="border-collapse text-[13px]">
        <thead>
          <tr>
            {head.map((cell, column) => (
              // oxlint-disable-next-line react/no-array-index-key
              <th
                key={column}
                scope="col"
                className="sticky top-0 border-b border-line bg-surface px-2.5 py-1.5 text-left font-semibold"
              >
                {cell}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            // oxlint-disable-next-line react/no-array-index-key
            <tr key={index} className="border-b border-line last:border-0">
              {row.map((cell, column) => (
                // oxlint-disable-next-line react/no-array-index-key
                <td key={column} className="max-w-80 truncate px-2.5 py-1 tabular-nums">
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollRegion>
  );
}

function Body({ attachment }: { readonly attachment: Attachment }) {
  const [text, setText] = useState<string | null>(null);
  const [table, setTable] = useState<CsvTable | null>(null);
  const [asText, setAsText] = useState(false);
  useEffect(() => {
    let wanted = true;
    const read = async (): Promise<void> => {
      const whole = await client.attachments.getText({ attachmentId: attachment.id });
      const csv = attachment.kind === "csv" ? await import("./csvFacts.ts") : null;
      if (!wanted) return;
      setText(whole);
      setTable(csv?.readCsv(whole, shownRows + 1) ?? null);
    };
    read().catch(reportError);
    return () => {
      wanted = false;
    };
  }, [attachment]);

  const caution = cautionWords(attachment);
  const facts = [formatBytes(attachment.bytes), shapeWords(attachment), sizeWords(attachment, undefined)];
  const cut = table !== null && !asText && (table.rowCount > shownRows || table.columnCount > shownColumns);
  return (
    <div className="flex flex-col gap-3">
      <p className="text-[13px] text-muted">{facts.filter((words) => words !== "").join(" · ")}</p>
      {caution !== "" && <p className="text-[13px] text-warn">{caution}</p>}
      {text !== null && (table !== null && !asText ? <TableBody table={table} /> : <TextBody text={text} />)}
      {cut && (
        <p className="text-xs text-muted">{t("attachments.tableCut", { rows: shownRows, columns: shownColumns })}</p>
      )}
      <div className="flex flex-wrap gap-2">
        <Button disabled={text === null} onClick={() => void copyAttachment(text ?? "")}>
          {t("attachments.copy")}
        </Button>
        <Button
          disabled={text === null}
          onClick={() => saveFile({ fileName: textFileName(attachment), mediaType: "text/plain", text: text ?? "" })}
        >
          {t("attachments.save")}
        </Button>
        {table !== null && (
          <Button aria-pressed={asText} onClick={() => setAsText(!asText)}>
            {t("attachments.asText")}
          </Button>
        )}
      </div>
    </div>
  );
}

/** What is kept is the text, so a PDF's file is named as one. */
const textFileName = ({ name, kind, facts }: Attachment): string =>
  kind === "pdf" || facts.pasted === true ? `${name}.txt` : name;

export function AttachmentViewer() {
  const viewed = useAttachments((state) => state.viewed);
  return (
    <Modal
      open={viewed !== null}
      title={viewed?.name ?? ""}
      width={760}
      onClose={() => useAttachments.setState({ viewed: null })}
    >
      {viewed !== null && <Body key={viewed.id} attachment={viewed} />}
    </Modal>
  );
}
