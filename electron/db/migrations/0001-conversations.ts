// Schema 1: conversations, their messages as a tree, runs, the search index, models and settings. Frozen: a released
// migration is never edited, a change is a new file.
import type { Migration } from "./migrations.ts";

export const conversationsMigration: Migration = {
  version: 1,
  name: "conversations",
  sql: `
CREATE TABLE conversations (
  id TEXT PRIMARY KEY,
  title TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  active_leaf_id TEXT REFERENCES messages (id) ON DELETE SET NULL,
  system_prompt TEXT NOT NULL DEFAULT '',
  sampler TEXT NOT NULL DEFAULT '{}',
  deleted_at INTEGER
) STRICT;
CREATE INDEX conversations_by_update ON conversations (updated_at DESC) WHERE deleted_at IS NULL;
CREATE INDEX conversations_by_deletion ON conversations (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX conversations_by_leaf ON conversations (active_leaf_id);

CREATE TABLE messages (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
  parent_id TEXT REFERENCES messages (id) ON DELETE CASCADE,
  role TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
  state TEXT NOT NULL CHECK (state IN ('complete', 'generating', 'interrupted', 'failed')),
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX messages_by_conversation ON messages (conversation_id, seq);
CREATE INDEX messages_by_parent ON messages (parent_id);
CREATE INDEX messages_generating ON messages (state) WHERE state = 'generating';

CREATE TABLE message_parts (
  seq INTEGER PRIMARY KEY,
  message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  type TEXT NOT NULL CHECK (type IN ('text', 'reasoning')),
  text TEXT NOT NULL,
  indexed INTEGER NOT NULL DEFAULT 0 CHECK (indexed IN (0, 1)),
  UNIQUE (message_id, position)
) STRICT;

CREATE TABLE runs (
  id TEXT PRIMARY KEY,
  message_id TEXT NOT NULL UNIQUE REFERENCES messages (id) ON DELETE CASCADE,
  model_id TEXT NOT NULL,
  model_name TEXT NOT NULL,
  model_sha256 TEXT NOT NULL,
  template_id TEXT NOT NULL,
  sampler TEXT NOT NULL,
  seed INTEGER NOT NULL,
  engine_version TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  stop_reason TEXT,
  error TEXT,
  prompt_tokens INTEGER,
  reused_tokens INTEGER,
  generated_tokens INTEGER,
  drafted_tokens INTEGER,
  accepted_tokens INTEGER,
  first_token_ms REAL,
  prefill_ms REAL,
  decode_ms REAL
) STRICT;
CREATE INDEX runs_without_hash ON runs (model_id) WHERE model_sha256 = '';

CREATE TABLE models (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  path TEXT NOT NULL UNIQUE,
  source TEXT NOT NULL CHECK (source IN ('embedded', 'file')),
  architecture TEXT NOT NULL,
  quantisation TEXT NOT NULL,
  file_bytes INTEGER NOT NULL,
  file_changed_at INTEGER NOT NULL,
  layers INTEGER NOT NULL,
  moe_layers INTEGER NOT NULL,
  experts INTEGER NOT NULL,
  experts_used INTEGER NOT NULL,
  params INTEGER NOT NULL,
  params_active INTEGER NOT NULL,
  context_trained INTEGER NOT NULL,
  sha256 TEXT,
  added_at INTEGER NOT NULL,
  last_used_at INTEGER
) STRICT;

CREATE TABLE settings (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;

-- Trigrams find any run of three characters in any script, also where words are not set apart (Chinese, Japanese, Thai).
CREATE VIRTUAL TABLE message_search USING fts5 (
  text, content = 'message_parts', content_rowid = 'seq', tokenize = 'trigram remove_diacritics 1'
);
CREATE TRIGGER message_parts_inserted AFTER INSERT ON message_parts WHEN new.indexed = 1 BEGIN
  INSERT INTO message_search (rowid, text) VALUES (new.seq, new.text);
END;
CREATE TRIGGER message_parts_deleted AFTER DELETE ON message_parts WHEN old.indexed = 1 BEGIN
  INSERT INTO message_search (message_search, rowid, text) VALUES ('delete', old.seq, old.text);
END;
CREATE TRIGGER message_parts_unindexed AFTER UPDATE OF text, indexed ON message_parts WHEN old.indexed = 1 BEGIN
  INSERT INTO message_search (message_search, rowid, text) VALUES ('delete', old.seq, old.text);
END;
CREATE TRIGGER message_parts_indexed AFTER UPDATE OF text, indexed ON message_parts WHEN new.indexed = 1 BEGIN
  INSERT INTO message_search (rowid, text) VALUES (new.seq, new.text);
END;
`,
};
