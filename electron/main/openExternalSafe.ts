// The only place that hands an address to the system. The caller has parsed it (http, https, mailto); here the user sees
// where it leads and decides.
import { dialog, type BrowserWindow, shell } from "electron";

/** @param parent the window that asks; null: none is open. @returns whether it was opened. */
export async function openExternalSafe(url: URL, parent: BrowserWindow | null): Promise<boolean> {
  const target = url.protocol === "mailto:" ? url.pathname : url.host;
  const options = {
    type: "question" as const,
    title: "Open link",
    message: url.protocol === "mailto:" ? `Write an e-mail to ${target}?` : `Open ${target} in your browser?`,
    detail: url.href.length > 500 ? `${url.href.slice(0, 500)}…` : url.href,
    buttons: ["Open link", "Cancel"],
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
