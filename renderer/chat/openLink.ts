// The way out of the page: a link is shown in full and confirmed before anything opens it.
import { create } from "zustand";
import { reportError } from "../platform/toasts.ts";
import { client, inBrowser } from "../platform/client.ts";

/** The address waiting for a yes in this page's own dialog; the desktop asks with a native one instead. */
export const useLinkQuestion = create<{ readonly url: string | null }>()(() => ({ url: null }));

export function askToOpen(url: string): void {
  if (inBrowser) useLinkQuestion.setState({ url });
  else client.app.openExternal({ url }).catch(reportError);
}

export function answerLinkQuestion(yes: boolean): void {
  const { url } = useLinkQuestion.getState();
  useLinkQuestion.setState({ url: null });
  if (yes && url !== null) window.open(url, "_blank", "noopener,noreferrer");
}
