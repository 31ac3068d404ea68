// The only place that hands an address to the system. The caller has parsed it (http, https, mailto); here the user sees
// where it leads and decides.
import { dialog, type BrowserWindow, shell } from "electron";
import type { NativeTexts } from "./nativeTexts.ts";

/** @param parent the window that asks; null: none is open. @returns whether it was opened. */
export async function openExternalSafe(url: URL, parent: BrowserWindow | null, texts: NativeTexts): Promise<boolean> {
  const target = url.protocol === "mailto:" ? url.pathname : url.host;
  const options = {
    type: "question" as const,
    title: texts.openLink,
    // A function, because an address may hold the marks that a replacement text would obey.
    message: (url.protocol === "mailto:" ? texts.writeMail : texts.openInBrowser).replace("%", () => target),
    detail: url.href.length > 500 ? `${url.href.slice(0, 500)}…` : url.href,
    buttons: [texts.openLink, texts.cancel],
    defaultId: 1,
    cancelId: 1,
    noLink: true,
  };
  const { response } = await (parent === null
    ? dialog.showMessageBox(options)
    : dialog.showMessageBox(parent, options));
  if (response !== 0) return false;
  await shell.openExternal(url.href);
  return true;
}
