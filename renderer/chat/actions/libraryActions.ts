// Where conversations are kept, and their way out to files and back.
import { toast } from "sonner";
import type { Conversation } from "../../../electron/contract/chat.ts";
import { maxImportLength, type ExportFormat, type Folder } from "../../../electron/contract/library.ts";
import { t } from "../../i18n/texts.ts";
import type { Action } from "../../ui/action.ts";
import { saveFile, pickTextFile } from "../../platform/files.ts";
import { offerUndo, reportError } from "../../platform/toasts.ts";
import { client } from "../../platform/client.ts";
import { dispatch, openConversation, useChat } from "../chatStore.ts";
import { useLibrary } from "../libraryStore.ts";

export const exportFormats: readonly ExportFormat[] = ["markdown", "conclave", "openai-jsonl", "sharegpt"];

const changed = (conversation: Conversation): void => dispatch({ type: "conversationChanged", conversation });

export async function moveToFolder(conversation: Conversation, folderId: string | null): Promise<void> {
  const { id: conversationId, folderId: before } = conversation;
  if (folderId === before) return;
  try {
    changed(await client.library.moveToFolder({ conversationId, folderId }));
    if (folderId !== null) useLibrary.setState(({ open }) => ({ open: new Set([...open, folderId]) }));
    offerUndo(t("chat.conversationMoved"), async () =>
      changed(await client.library.moveToFolder({ conversationId, folderId: before })),
    );
  } catch (error) {
    reportError(error);
  }
}

export async function setArchived(conversationId: string, archived: boolean): Promise<void> {
  try {
    changed(await client.library.setArchived({ conversationId, archived }));
    offerUndo(archived ? t("chat.conversationArchived") : t("chat.conversationUnarchived"), async () =>
      changed(await client.library.setArchived({ conversationId, archived: !archived })),
    );
  } catch (error) {
    reportError(error);
  }
}

/** Ends the naming that is under way: a new folder, or another name for one. */
export async function nameFolder(name: string): Promise<void> {
  const { naming } = useLibrary.getState();
  useLibrary.setState({ naming: null });
  if (naming === null || name.trim() === "") return;
  try {
    if (naming.folderId !== null) {
      await client.library.renameFolder({ folderId: naming.folderId, name });
      return;
    }
    const folder = await client.library.createFolder({ name });
    const conversation = useChat.getState().conversations.find(({ id }) => id === naming.conversationId);
    if (conversation !== undefined) await moveToFolder(conversation, folder.id);
  } catch (error) {
    reportError(error);
  }
}

export async function deleteFolder(folder: Folder): Promise<void> {
  const inside = useChat.getState().conversations.filter(({ folderId }) => folderId === folder.id);
  try {
    await client.library.deleteFolder({ folderId: folder.id });
    offerUndo(t("chat.folderDeleted", { name: folder.name }), async () => {
      const again = await client.library.createFolder({ name: folder.name });
      for (const { id } of inside) {
        changed(await client.library.moveToFolder({ conversationId: id, folderId: again.id }));
      }
    });
  } catch (error) {
    reportError(error);
  }
}

export async function exportConversations(conversationIds: readonly string[], format: ExportFormat): Promise<void> {
  try {
    saveFile(await client.library.exportConversations({ conversationIds: [...conversationIds], format }));
  } catch (error) {
    reportError(error);
  }
}

export async function importText(text: string): Promise<void> {
  if (text.length > maxImportLength) {
    const { length } = text;
    toast.error(t("chat.importTooLong", { length, most: maxImportLength, over: length - maxImportLength }));
    return;
  }
  try {
    const imported = await client.library.importConversations({ text });
    for (const conversation of imported) changed(conversation);
    const [first] = imported;
    if (first !== undefined) await openConversation(first.id);
    offerUndo(t("chat.imported", { count: imported.length }), async () => {
      for (const { id } of imported) {
        await client.chat.deleteConversation({ conversationId: id });
        dispatch({ type: "conversationDeleted", conversationId: id });
      }
    });
  } catch (error) {
    reportError(error);
  }
}

export const importConversations: Action = {
  id: "chat.import",
  get label() {
    return t("chat.importConversations");
  },
  perform: async () => {
    const text = await pickTextFile(".json,.jsonl,application/json");
    if (text !== null) await importText(text);
  },
};

export const exportAll: Action = {
  id: "chat.exportAll",
  get label() {
    return t("chat.exportAll");
  },
  isEnabled: () => useChat.getState().conversations.length > 0,
  perform: () =>
    exportConversations(
      useChat.getState().conversations.map(({ id }) => id),
      "conclave",
    ),
};

export const newFolder: Action = {
  id: "chat.newFolder",
  get label() {
    return t("chat.newFolder");
  },
  perform: () => useLibrary.setState({ naming: { folderId: null, conversationId: null } }),
};
