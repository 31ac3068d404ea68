// Schema 7: summaries that stand in for turns which no longer fit the model's context. Frozen like every migration.
import type { Migration } from "./migrations.ts";

export const summariesMigration: Migration = {
  version: 7,
  name: "summaries",
  sql: `
CREATE TABLE summaries (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
  -- The summary stands for everything above this message, on each branch that holds it.
  first_message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
  text TEXT NOT NULL,
  messages INTEGER NOT NULL,
  edited INTEGER NOT NULL CHECK (edited IN (0, 1)),
  created_at INTEGER NOT NULL,
  deleted_at INTEGER
) STRICT;
CREATE INDEX summaries_by_conversation ON summaries (conversation_id, seq);
CREATE INDEX summaries_by_message ON summaries (first_message_id);
`,
};
