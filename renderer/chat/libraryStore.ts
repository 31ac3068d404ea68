// Folders, and which of them stand open in the sidebar.
import { create } from "zustand";
import type { Folder } from "../../electron/contract/library.ts";
import { client, onConnection } from "../platform/client.ts";
import { reportError } from "../platform/toasts.ts";

export const archiveId = "archive";

interface LibraryStore {
  readonly folders: readonly Folder[];
  /** Ids of folders, or `archiveId`, whose conversations are shown. */
  readonly open: ReadonlySet<string>;
  /** A folder is being named: a new one (and what goes into it), or one that is there. */
  readonly naming: { readonly folderId: string | null; readonly conversationId: string | null } | null;
}

export const useLibrary = create<LibraryStore>()(() => ({ folders: [], open: new Set(), naming: null }));

export function toggleOpen(id: string): void {
  useLibrary.setState(({ open }) => {
    const next = new Set(open);
    if (!next.delete(id)) next.add(id);
    return { open: next };
  });
}

export function startLibraryStore(): void {
  client.library.on("foldersChanged", (folders) => useLibrary.setState({ folders }));
  onConnection((state) => {
    if (state !== "open") return;
    client.library.listFolders({}).then((folders) => useLibrary.setState({ folders }), reportError);
  });
}
