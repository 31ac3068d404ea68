// The library service on the wire: folders, the archive, drafts, and conversations that leave and come as files.
import { z } from "zod";
import { conversationSchema, idSchema, maxMessageLength } from "./chat.ts";
import { call, event, service } from "./service.ts";

export const folderSchema = z.object({ id: idSchema, name: z.string(), createdAt: z.number() });
export type Folder = z.infer<typeof folderSchema>;

/** 'conclave' holds everything, all versions and how each answer was made; the others hold the shown thread. */
export const exportFormats = ["conclave", "markdown", "openai-jsonl", "sharegpt"] as const;
export type ExportFormat = (typeof exportFormats)[number];

/** Largest text of an import, in UTF-16 units: in any script less than a frame of the socket holds. */
export const maxImportLength = 5_000_000;
const folderName = z.string().trim().min(1).max(100);

export const library = service({
  calls: {
    listFolders: call(z.object({}), z.array(folderSchema)),
    createFolder: call(z.object({ name: folderName }), folderSchema),
    renameFolder: call(z.object({ folderId: idSchema, name: folderName }), folderSchema),
    /** Its conversations stay, outside any folder. */
    deleteFolder: call(z.object({ folderId: idSchema }), z.null()),
    moveToFolder: call(z.object({ conversationId: idSchema, folderId: idSchema.nullable() }), conversationSchema),
    setArchived: call(z.object({ conversationId: idSchema, archived: z.boolean() }), conversationSchema),
    /** Unsent texts by conversation; '' is the one that does not exist yet. */
    getDrafts: call(z.object({}), z.record(z.string(), z.string())),
    /** '' forgets it. */
    saveDraft: call(
      z.object({ conversationId: idSchema.nullable(), text: z.string().max(maxMessageLength) }),
      z.null(),
    ),
    exportConversations: call(
      z.object({ conversationIds: z.array(idSchema).min(1).max(10_000), format: z.enum(exportFormats) }),
      z.object({ fileName: z.string(), mediaType: z.string(), text: z.string() }),
    ),
    /** Any of our formats but Markdown, told apart by what is in it. @returns the new conversations. */
    importConversations: call(z.object({ text: z.string().max(maxImportLength) }), z.array(conversationSchema)),
  },
  events: { foldersChanged: event(z.array(folderSchema)) },
});
