/**
 * Downloads: Chromium writes each into a folder of the profile; 'will-download' of the default session may refuse it, name a
 * path or leave it to the save dialog, and what was agreed to is then moved there.
 */
import { EventEmitter } from "node:events";
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { CdpConnection, CdpParams } from "./cdp.ts";
import { ignoreGone } from "./cdp.ts";
import { preventable } from "./events.ts";
import { fromChromium } from "./protocol.ts";
import { record, takeAnswer } from "./record.ts";

type State = "progressing" | "completed" | "cancelled" | "interrupted";

export class DownloadItem extends EventEmitter {
  readonly #url: string;
  readonly #name: string;
  #path = "";
  #options: Electron.SaveDialogOptions = {};
  state: State = "progressing";
  received = 0;

  constructor(url: string, name: string) {
    super();
    this.#url = url;
    this.#name = name;
  }

  getURL = (): string => this.#url;
  getFilename = (): string => this.#name;
  getReceivedBytes = (): number => this.received;
  getState = (): State => this.state;
  getSavePath = (): string => this.#path;
  setSavePath = (path: string): void => void (this.#path = path);
  getSaveDialogOptions = (): Electron.SaveDialogOptions => this.#options;
  setSaveDialogOptions = (options: Electron.SaveDialogOptions): void => void (this.#options = options);

  end(state: Exclude<State, "progressing">): void {
    this.state = state;
    this.emit("done", {}, state);
  }
}

/** @param emit gives 'will-download' to the default session. */
export async function watchDownloads(
  connection: CdpConnection,
  profile: string,
  emit: (event: { readonly defaultPrevented: boolean }, item: DownloadItem) => void,
): Promise<void> {
  const { browser } = connection;
  const folder = join(profile, "downloads");
  mkdirSync(folder, { recursive: true });
  const items = new Map<string, DownloadItem>();
  const cancel = (guid: string): void => void browser.send("Browser.cancelDownload", { guid }).catch(ignoreGone);

  browser.on("Browser.downloadWillBegin", ({ guid, url, suggestedFilename }: CdpParams) => {
    const address = String(url);
    // A blob's address holds its page's origin behind the scheme.
    const own = address.startsWith("blob:") ? `blob:${fromChromium(address.slice(5))}` : fromChromium(address);
    const item = new DownloadItem(own, String(suggestedFilename));
    const event = preventable({});
    emit(event, item);
    if (event.defaultPrevented) return cancel(String(guid));
    if (item.getSavePath() === "") {
      record("dialog", "showSaveDialog", [item.getSaveDialogOptions()]);
      const answer = takeAnswer("showSaveDialog") as Partial<Electron.SaveDialogReturnValue> | undefined;
      if (answer?.canceled !== false || answer.filePath === undefined) {
        cancel(String(guid));
        return item.end("cancelled");
      }
      item.setSavePath(answer.filePath);
    }
    items.set(String(guid), item);
  });
  browser.on("Browser.downloadProgress", ({ guid, state, receivedBytes, filePath }: CdpParams) => {
    const item = items.get(String(guid));
    if (item === undefined) return;
    item.received = Number(receivedBytes);
    if (state === "inProgress") return;
    items.delete(String(guid));
    if (state !== "completed") return item.end("interrupted");
    try {
      // Whoever else speaks to the browser may have chosen another folder.
      copyFileSync(typeof filePath === "string" ? filePath : join(folder, String(guid)), item.getSavePath());
      item.end("completed");
    } catch {
      // A folder that cannot be written, a full disk: as Electron says it.
      item.end("interrupted");
    }
  });
  await browser.send("Browser.setDownloadBehavior", {
    behavior: "allowAndName",
    downloadPath: folder,
    eventsEnabled: true,
  });
}
