// The model_memory table: what a model took when it was loaded, by what was asked for.
import type { Measured } from "../contract/placement.ts";
import type { Database } from "./database.ts";

export const measuredQuery = (db: Database, modelId: string, settings: string) =>
  db.build.selectFrom("model_memory").selectAll().where("model_id", "=", modelId).where("settings", "=", settings);

export function findMeasured(db: Database, modelId: string, settings: string): Measured | null {
  const row = db.first(measuredQuery(db, modelId, settings));
  if (row === undefined) return null;
  return {
    placement: row.placement,
    ram: row.ram_bytes,
    ramWork: row.ram_work_bytes,
    vram: row.vram_bytes,
    at: row.measured_at,
  };
}

/** In place of what was measured before. */
export function saveMeasured(db: Database, modelId: string, settings: string, measured: Measured): void {
  const row = {
    model_id: modelId,
    settings,
    placement: measured.placement,
    ram_bytes: measured.ram,
    ram_work_bytes: measured.ramWork,
    vram_bytes: measured.vram,
    measured_at: measured.at,
  };
  db.run(
    db.build
      .insertInto("model_memory")
      .values(row)
      .onConflict((conflict) => conflict.columns(["model_id", "settings"]).doUpdateSet(row)),
  );
}

/** The file is another one now. */
export function forgetMeasured(db: Database, modelId: string): void {
  db.run(db.build.deleteFrom("model_memory").where("model_id", "=", modelId));
}
