// Schema 10: the most memory that a model took, by what its load was asked for. Frozen like every migration.
import type { Migration } from "./migrations.ts";

export const modelMemoryMigration: Migration = {
  version: 10,
  name: "model-memory",
  sql: `
CREATE TABLE model_memory (
  model_id TEXT NOT NULL REFERENCES models (id) ON DELETE CASCADE,
  settings TEXT NOT NULL,
  placement TEXT NOT NULL CHECK (placement IN ('gpu', 'hybrid', 'cpu')),
  ram_bytes INTEGER NOT NULL,
  ram_work_bytes INTEGER NOT NULL,
  vram_bytes INTEGER NOT NULL,
  measured_at INTEGER NOT NULL,
  PRIMARY KEY (model_id, settings)
) STRICT, WITHOUT ROWID;
`,
};
