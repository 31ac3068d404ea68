// The list of migrations in order. A file's place in the list is its version, kept in SQLite's user_version.
import { conversationsMigration } from "./0001-conversations.ts";
import { pinsAndTracesMigration } from "./0002-pins-and-traces.ts";
import { chatMigration } from "./0003-chat.ts";
import { templatesMigration } from "./0004-templates.ts";
import { draftingMigration } from "./0005-drafting.ts";
import { attachmentsMigration } from "./0006-attachments.ts";
import { summariesMigration } from "./0007-summaries.ts";
import { steeringMigration } from "./0008-steering.ts";
import { attachmentSearchMigration } from "./0009-attachment-search.ts";
import { modelMemoryMigration } from "./0010-model-memory.ts";

export interface Migration {
  readonly version: number;
  readonly name: string;
  /** Statements that run in one transaction together with the new user_version. */
  readonly sql: string;
}

export const migrations: readonly Migration[] = [
  conversationsMigration,
  pinsAndTracesMigration,
  chatMigration,
  templatesMigration,
  draftingMigration,
  attachmentsMigration,
  summariesMigration,
  steeringMigration,
  attachmentSearchMigration,
  modelMemoryMigration,
];
