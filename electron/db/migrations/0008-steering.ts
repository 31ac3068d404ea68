// Schema 8: how each conversation steers the experts of a model; a model's answers are found without looking at all. Frozen like every migration.
import type { Migration } from "./migrations.ts";

export const steeringMigration: Migration = {
  version: 8,
  name: "steering",
  sql: `
CREATE TABLE conversation_steering (
  conversation_id TEXT PRIMARY KEY REFERENCES conversations (id) ON DELETE CASCADE,
  steering TEXT NOT NULL
) STRICT;

-- The answers of one model, by topic.
CREATE INDEX runs_by_model ON runs (model_id);
`,
};
