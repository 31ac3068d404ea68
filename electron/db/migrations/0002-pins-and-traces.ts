// Schema 2: conversations can be pinned, and each answer keeps which experts wrote it. Frozen like every migration.
import type { Migration } from "./migrations.ts";

export const pinsAndTracesMigration: Migration = {
  version: 2,
  name: "pins-and-traces",
  sql: `
ALTER TABLE conversations ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0 CHECK (pinned IN (0, 1));

CREATE TABLE expert_traces (
  message_id TEXT PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
  trace BLOB NOT NULL
) STRICT;
`,
};
