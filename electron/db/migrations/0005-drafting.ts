// Schema 5: how each run was drafted, and what came of it. Frozen like every migration.
import type { Migration } from "./migrations.ts";

export const draftingMigration: Migration = {
  version: 5,
  name: "drafting",
  sql: `
-- JSON of a Draft; NULL: from before drafting.
ALTER TABLE runs ADD COLUMN draft TEXT;
ALTER TABLE runs ADD COLUMN passes INTEGER;
ALTER TABLE runs ADD COLUMN draft_ms REAL;
-- Of one pass without drafts, as measured around the run; 0: not measured.
ALTER TABLE runs ADD COLUMN plain_ms REAL;
-- Per layer and pass; what one token uses beside it.
ALTER TABLE runs ADD COLUMN distinct_experts REAL;
ALTER TABLE runs ADD COLUMN experts_used INTEGER;
`,
};
