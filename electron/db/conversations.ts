// The conversations table.
import { type Conversation, samplerSchema } from "../contract/chat.ts";
import type { Database } from "./database.ts";
import type { ConversationsTable } from "./schema.ts";
import type { Selectable } from "kysely";

/** What a conversation is called until its first message names it. */
export const untitled = "New chat";

function toConversation(row: Selectable<ConversationsTable>): Conversation {
  return {
    id: row.id,
    title: row.title === "" ? untitled : row.title,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    activeLeafId: row.active_leaf_id,
    systemPrompt: row.system_prompt,
    sampler: samplerFromJson(row.sampler),
    pinned: row.pinned === 1,
    folderId: row.folder_id,
    archived: row.archived === 1,
    contextStartId: row.context_start_id,
  };
}

// Made once: making it takes longer than checking a thousand rows with it.
const storedSampler = samplerSchema.partial();

/** A stored sampler that this version does not understand counts as "nothing chosen". */
function samplerFromJson(json: string): Conversation["sampler"] {
  try {
    const parsed = storedSampler.safeParse(JSON.parse(json));
    return parsed.success ? parsed.data : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

export const listConversationsQuery = (db: Database) =>
  db.build.selectFrom("conversations").selectAll().where("deleted_at", "is", null).orderBy("updated_at", "desc");

/** Without the deleted ones, last used first. */
export function listConversations(db: Database): Conversation[] {
  return db.all(listConversationsQuery(db)).map(toConversation);
}

/** Also finds a deleted one that is not purged yet when `deleted` is true. */
export function findConversation(db: Database, id: string, deleted = false): Conversation | undefined {
  const row = db.first(
    db.build
      .selectFrom("conversations")
      .selectAll()
      .where("id", "=", id)
      .where("deleted_at", deleted ? "is not" : "is", null),
  );
  return row === undefined ? undefined : toConversation(row);
}

/** @param title '' when not named yet. */
export function insertConversation(db: Database, conversation: { id: string; title: string; createdAt: number }): void {
  db.run(
    db.build.insertInto("conversations").values({
      id: conversation.id,
      title: conversation.title,
      created_at: conversation.createdAt,
      updated_at: conversation.createdAt,
      active_leaf_id: null,
      system_prompt: "",
      sampler: "{}",
      deleted_at: null,
      title_source: conversation.title === "" ? "text" : "user",
    }),
  );
}

export interface ConversationChange {
  readonly title?: string;
  readonly titleSource?: ConversationsTable["title_source"];
  readonly updatedAt?: number;
  readonly activeLeafId?: string | null;
  readonly systemPrompt?: string | undefined;
  readonly sampler?: Conversation["sampler"] | undefined;
  readonly pinned?: boolean;
  readonly folderId?: string | null;
  readonly archived?: boolean;
  readonly contextStartId?: string | null;
  readonly deletedAt?: number | null;
}

export function updateConversation(db: Database, id: string, change: ConversationChange): void {
  const columns = {
    ...(change.title === undefined ? {} : { title: change.title }),
    ...(change.titleSource === undefined ? {} : { title_source: change.titleSource }),
    ...(change.folderId === undefined ? {} : { folder_id: change.folderId }),
    ...(change.archived === undefined ? {} : { archived: change.archived ? 1 : 0 }),
    ...(change.contextStartId === undefined ? {} : { context_start_id: change.contextStartId }),
    ...(change.updatedAt === undefined ? {} : { updated_at: change.updatedAt }),
    ...(change.activeLeafId === undefined ? {} : { active_leaf_id: change.activeLeafId }),
    ...(change.systemPrompt === undefined ? {} : { system_prompt: change.systemPrompt }),
    ...(change.sampler === undefined ? {} : { sampler: JSON.stringify(change.sampler) }),
    ...(change.pinned === undefined ? {} : { pinned: change.pinned ? 1 : 0 }),
    ...(change.deletedAt === undefined ? {} : { deleted_at: change.deletedAt }),
  };
  if (Object.keys(columns).length === 0) return;
  db.run(db.build.updateTable("conversations").set(columns).where("id", "=", id));
}

/** Gives an unnamed conversation its name; one the user has named keeps it. */
export function nameUntitled(db: Database, id: string, title: string): void {
  db.run(db.build.updateTable("conversations").set({ title }).where("id", "=", id).where("title", "=", ""));
}

/** A model's title takes the place of the first words, never of a name that the user chose. @returns whether it did. */
export function nameByModel(db: Database, id: string, title: string): boolean {
  return (
    db.run(
      db.build
        .updateTable("conversations")
        .set({ title, title_source: "model" })
        .where("id", "=", id)
        .where("title_source", "=", "text"),
    ) > 0
  );
}

export const purgeQuery = (db: Database, deletedBefore: number) =>
  db.build.deleteFrom("conversations").where("deleted_at", "<", deletedBefore);

/** Really deletes, with messages, runs and traces. @returns how many conversations. */
export function purgeConversations(db: Database, deletedBefore: number): number {
  return db.run(purgeQuery(db, deletedBefore));
}
