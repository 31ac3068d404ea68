// Where conversations are kept: folders, the archive, drafts, and their way out to files and back.
import { randomUUID } from "node:crypto";
import type { Conversation } from "../contract/chat.ts";
import { AppError } from "../contract/errors.ts";
import type { Folder } from "../contract/library.ts";
import type { Publish, ServiceHandlers } from "../contract/ipc.ts";
import { textsByMessage } from "../db/attachments.ts";
import { insertConversation, updateConversation } from "../db/conversations.ts";
import type { Database } from "../db/database.ts";
import { listDrafts, purgeDrafts, saveDraft } from "../db/drafts.ts";
import { deleteFolder, insertFolder, listFolders, renameFolder } from "../db/folders.ts";
import { tracesByMessage } from "../db/expertTraces.ts";
import { importMessages } from "../db/importConversation.ts";
import { listSummaries } from "../db/summaries.ts";
import { createConversations } from "./conversations.ts";
import { exportFile } from "./exports.ts";
import { type ImportedConversation, parseImport } from "./imports.ts";
import { titleFrom } from "./titles.ts";
import { textOf } from "./transcript.ts";

/** Bytes of traces in one exported file at most, newest answers first: with them it must still be small enough to come back. */
const tracesInFile = 2_000_000;

export interface LibraryDependencies {
  readonly database: Database;
  readonly publish: Publish;
  readonly now?: () => number;
}

export function createLibraryService(dependencies: LibraryDependencies): ServiceHandlers<"library"> {
  const { database, publish } = dependencies;
  const now = dependencies.now ?? Date.now;
  const conversations = createConversations(database, publish, () => []);
  purgeDrafts(database);

  function folderOf(id: string): Folder {
    const folder = listFolders(database).find((candidate) => candidate.id === id);
    if (folder === undefined) throw new AppError("not-found", "This folder is not there any more.");
    return folder;
  }

  const announceFolders = (): void => publish("library", "foldersChanged", listFolders(database));

  function store(imported: ImportedConversation): string {
    const id = randomUUID();
    const title = imported.title.trim().slice(0, 300) || titleFrom(firstWords(imported));
    database.transaction(() => {
      insertConversation(database, { id, title, createdAt: Math.round(imported.createdAt) });
      const newIds = importMessages(database, id, imported.messages, imported.summaries);
      const renamed = (old: string | null): string | null => (old === null ? null : (newIds.get(old) ?? null));
      updateConversation(database, id, {
        updatedAt: Math.round(imported.updatedAt),
        activeLeafId: renamed(imported.activeLeafId),
        contextStartId: renamed(imported.contextStartId),
        systemPrompt: imported.systemPrompt,
        sampler: imported.sampler,
        pinned: imported.pinned,
        archived: imported.archived,
      });
    });
    return id;
  }

  return {
    listFolders: async () => listFolders(database),
    async createFolder({ name }) {
      const folder = { id: randomUUID(), name, createdAt: now() };
      insertFolder(database, folder);
      announceFolders();
      return folder;
    },
    async renameFolder({ folderId, name }) {
      folderOf(folderId);
      renameFolder(database, folderId, name);
      announceFolders();
      return folderOf(folderId);
    },
    async deleteFolder({ folderId }) {
      folderOf(folderId);
      const inside = conversations.all().filter((conversation) => conversation.folderId === folderId);
      deleteFolder(database, folderId);
      for (const { id } of inside) conversations.announce(id);
      announceFolders();
      return null;
    },
    async moveToFolder({ conversationId, folderId }) {
      if (folderId !== null) folderOf(folderId);
      return conversations.change(conversationId, { folderId });
    },
    setArchived: async ({ conversationId, archived }) => conversations.change(conversationId, { archived }),
    getDrafts: async () => listDrafts(database),
    async saveDraft({ conversationId, text }) {
      if (conversationId !== null) conversations.get(conversationId);
      saveDraft(database, conversationId ?? "", text);
      return null;
    },
    async exportConversations({ conversationIds, format }) {
      const exported = conversationIds.map((id) => ({
        conversation: conversations.get(id),
        messages: conversations.messages(id),
        attached: textsByMessage(database, id),
        summaries: listSummaries(database, id),
        traces:
          format === "conclave" ? tracesByMessage(database, id, tracesInFile / conversationIds.length) : new Map(),
      }));
      return exportFile(exported, format);
    },
    async importConversations({ text }): Promise<Conversation[]> {
      const imported = parseImport(text, now());
      const ids = database.transaction(() => imported.map(store));
      return ids.map((id) => conversations.announce(id));
    },
  };
}

function firstWords({ messages }: ImportedConversation): string {
  const first = messages.find((message) => message.role === "user") ?? messages[0];
  return first === undefined ? "Imported conversation" : textOf(first);
}
