// Schema 4: prompt-prefix templates with every version of their content, which template each conversation and run began
// with, and what is kept computed of them. Frozen like every migration.
import type { Migration } from "./migrations.ts";

export const templatesMigration: Migration = {
  version: 4,
  name: "templates",
  sql: `
CREATE TABLE templates (
  id TEXT PRIMARY KEY,
  slug TEXT NOT NULL,
  version INTEGER NOT NULL,
  shipped INTEGER NOT NULL CHECK (shipped IN (0, 1)),
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  deleted_at INTEGER
) STRICT;
CREATE UNIQUE INDEX templates_by_slug ON templates (slug) WHERE deleted_at IS NULL;

-- A run's record points at a version for ever, so none is deleted while its template's row exists.
CREATE TABLE template_versions (
  template_id TEXT NOT NULL REFERENCES templates (id) ON DELETE CASCADE,
  version INTEGER NOT NULL,
  content TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (template_id, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE conversation_templates (
  conversation_id TEXT PRIMARY KEY REFERENCES conversations (id) ON DELETE CASCADE,
  template_id TEXT NOT NULL,
  version INTEGER NOT NULL,
  name TEXT NOT NULL,
  template_values TEXT NOT NULL
) STRICT;

-- One row per file of computed keys and values; key is also the file's name.
CREATE TABLE prefix_snapshots (
  key TEXT PRIMARY KEY,
  template_id TEXT NOT NULL,
  model_sha256 TEXT NOT NULL,
  tokens INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  -- What computing it took, from which the time saved is reckoned; 0: not known.
  ms_per_token REAL NOT NULL,
  last_used_at INTEGER NOT NULL
) STRICT;
CREATE INDEX prefix_snapshots_by_template ON prefix_snapshots (template_id);
CREATE INDEX prefix_snapshots_by_use ON prefix_snapshots (last_used_at);

CREATE TABLE template_savings (
  template_id TEXT PRIMARY KEY,
  uses INTEGER NOT NULL,
  saved_ms REAL NOT NULL
) STRICT;
`,
};
