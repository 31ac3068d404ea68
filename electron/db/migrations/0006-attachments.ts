// Schema 6: files as text, beside a draft until they are sent and with their message from then on. Frozen like every
// migration.
import type { Migration } from "./migrations.ts";

export const attachmentsMigration: Migration = {
  version: 6,
  name: "attachments",
  sql: `
CREATE TABLE attachments (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  message_id TEXT REFERENCES messages (id) ON DELETE CASCADE,
  -- Of an unsent one: a conversation's id, or '' for the one that does not exist yet.
  draft_key TEXT,
  position INTEGER NOT NULL DEFAULT 0,
  name TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('text', 'markdown', 'code', 'csv', 'pdf')),
  language TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  characters INTEGER NOT NULL,
  facts TEXT NOT NULL,
  -- Last, so that a row's facts are read without its text's overflow pages.
  text TEXT NOT NULL,
  CHECK ((message_id IS NULL) <> (draft_key IS NULL))
) STRICT;
CREATE INDEX attachments_by_message ON attachments (message_id, position) WHERE message_id IS NOT NULL;
CREATE INDEX attachments_by_draft ON attachments (draft_key) WHERE draft_key IS NOT NULL;
`,
};
