// Schema 3: single messages can be deleted and brought back, conversations have folders, an archive, drafts and a place
// where the model's view begins, and each run records what its prompt was made of. Frozen like every migration.
import type { Migration } from "./migrations.ts";

export const chatMigration: Migration = {
  version: 3,
  name: "chat",
  sql: `
CREATE TABLE folders (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

ALTER TABLE conversations ADD COLUMN folder_id TEXT REFERENCES folders (id) ON DELETE SET NULL;
ALTER TABLE conversations ADD COLUMN archived INTEGER NOT NULL DEFAULT 0 CHECK (archived IN (0, 1));
ALTER TABLE conversations ADD COLUMN context_start_id TEXT REFERENCES messages (id) ON DELETE SET NULL;
-- Titles of older conversations count as the user's own: none of them is changed behind their back.
ALTER TABLE conversations ADD COLUMN title_source TEXT NOT NULL DEFAULT 'user' CHECK (title_source IN ('text', 'model', 'user'));
CREATE INDEX conversations_by_folder ON conversations (folder_id) WHERE folder_id IS NOT NULL;
CREATE INDEX conversations_by_context_start ON conversations (context_start_id) WHERE context_start_id IS NOT NULL;

-- A deleted message keeps its place in the tree until it is purged; readers hang its children on its parent.
ALTER TABLE messages ADD COLUMN deleted_at INTEGER;
CREATE INDEX messages_by_deletion ON messages (deleted_at) WHERE deleted_at IS NOT NULL;

ALTER TABLE runs ADD COLUMN prompt TEXT;
ALTER TABLE runs ADD COLUMN reuse TEXT;

-- Unsent text; the empty key is the conversation that does not exist yet.
CREATE TABLE drafts (
  key TEXT PRIMARY KEY,
  text TEXT NOT NULL
) STRICT;
`,
};
