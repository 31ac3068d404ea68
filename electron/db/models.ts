// The models table: what the user has registered, with what each file's header said when it was last inspected.
import type { Selectable } from "kysely";
import type { Model } from "../contract/models.ts";
import type { Database } from "./database.ts";
import { fillHashQuery } from "./runs.ts";
import type { ModelsTable } from "./schema.ts";

/** A model as stored: whether its file is usable right now is not a stored fact. */
export type StoredModel = Omit<Model, "broken"> & { readonly fileChangedAt: number };

function toModel(row: Selectable<ModelsTable>): StoredModel {
  return {
    id: row.id,
    name: row.name,
    path: row.path,
    source: row.source,
    architecture: row.architecture,
    quantisation: row.quantisation,
    fileBytes: row.file_bytes,
    fileChangedAt: row.file_changed_at,
    layers: row.layers,
    moeLayers: row.moe_layers,
    experts: row.experts,
    expertsUsed: row.experts_used,
    params: row.params,
    paramsActive: row.params_active,
    contextTrained: row.context_trained,
    sha256: row.sha256,
    addedAt: row.added_at,
    lastUsedAt: row.last_used_at,
  };
}

/** The embedded model first, then the newest. */
export function listModels(db: Database): StoredModel[] {
  return db.all(db.build.selectFrom("models").selectAll().orderBy("source").orderBy("added_at", "desc")).map(toModel);
}

export function findModel(db: Database, id: string): StoredModel | undefined {
  const row = db.first(db.build.selectFrom("models").selectAll().where("id", "=", id));
  return row === undefined ? undefined : toModel(row);
}

export const modelByPathQuery = (db: Database, path: string) =>
  db.build.selectFrom("models").selectAll().where("path", "=", path);

export function findModelByPath(db: Database, path: string): StoredModel | undefined {
  const row = db.first(modelByPathQuery(db, path));
  return row === undefined ? undefined : toModel(row);
}

/** Inserts, or replaces everything under the same id. */
export function saveModel(db: Database, model: StoredModel): void {
  const row = {
    id: model.id,
    name: model.name,
    path: model.path,
    source: model.source,
    architecture: model.architecture,
    quantisation: model.quantisation,
    file_bytes: model.fileBytes,
    file_changed_at: model.fileChangedAt,
    layers: model.layers,
    moe_layers: model.moeLayers,
    experts: model.experts,
    experts_used: model.expertsUsed,
    params: model.params,
    params_active: model.paramsActive,
    context_trained: model.contextTrained,
    sha256: model.sha256,
    added_at: model.addedAt,
    last_used_at: model.lastUsedAt,
  };
  db.run(
    db.build
      .insertInto("models")
      .values(row)
      .onConflict((conflict) => conflict.column("id").doUpdateSet(row)),
  );
}

export function removeModel(db: Database, id: string): void {
  db.run(db.build.deleteFrom("models").where("id", "=", id));
}

export function markModelUsed(db: Database, id: string, time: number): void {
  db.run(db.build.updateTable("models").set({ last_used_at: time }).where("id", "=", id));
}

/** Also completes the runs that were recorded before the hash was known. */
export function saveModelHash(db: Database, id: string, sha256: string): void {
  db.transaction(() => {
    db.run(db.build.updateTable("models").set({ sha256 }).where("id", "=", id));
    db.run(fillHashQuery(db, id, sha256));
  });
}
