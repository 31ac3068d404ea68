// What the page may save to the person's disk: files that it made itself (exports, attachments), each after the system's own
// dialog, which opens in the Downloads folder. Nothing is ever downloaded from elsewhere.
import { basename, join } from "node:path";
import type { DownloadItem, Session } from "electron";
import { pageOrigin } from "./pageOrigin.ts";

/** What no file system takes, and what would show a name other than it is. */
const unusable = /[\p{Cc}\p{Cf}<>:"/\\|?*]+/gu;

/** Pure. A name from the page as one that every system takes, without any folder in it. */
export function safeFileName(name: string): string {
  const plain = basename(name)
    .replaceAll(unusable, "_")
    .replace(/^[. ]+/, "")
    .replace(/[. ]+$/, "");
  return plain === "" ? "conclave.txt" : plain.slice(-200);
}

export interface DownloadEvents {
  /** In a word and an address (without its query), for the log. */
  onDenied(what: string, url: string): void;
  /** The disk was full, or the folder could not be written. */
  onFailed(path: string): void;
}

/** @param folder where the dialog begins. */
export function guardDownloads(session: Pick<Session, "on">, folder: string, events: DownloadEvents): void {
  session.on("will-download", (event, item: DownloadItem) => {
    const url = item.getURL();
    if (!url.startsWith(`blob:${pageOrigin}/`)) {
      event.preventDefault();
      events.onDenied("download", url.replace(/[?#].*$/s, "").slice(0, 200));
      return;
    }
    item.setSaveDialogOptions({ defaultPath: join(folder, safeFileName(item.getFilename())) });
    item.once("done", (_done, state) => {
      if (state === "interrupted") events.onFailed(item.getSavePath());
    });
  });
}
