import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Measured } from "../../contract/placement.ts";
import { listConversations } from "../conversations.ts";
import type { Database } from "../database.ts";
import { findMeasured, forgetMeasured, measuredQuery, saveMeasured } from "../modelMemory.ts";
import { removeModel, saveModel, type StoredModel } from "../models.ts";
import { openDatabase } from "../openDatabase.ts";

const schema1 = join(import.meta.dirname, "../../../test/fixtures/databases/schema-1.sqlite");
let folder: string;
let db: Database;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "conclave-0010-"));
  copyFileSync(schema1, join(folder, "conclave.sqlite"));
  db = openDatabase(folder).database;
});
afterEach(() => {
  db.close();
  rmSync(folder, { recursive: true });
});

const model: StoredModel = {
  id: "m",
  name: "M",
  path: "/m.gguf",
  source: "file",
  architecture: "olmoe",
  quantisation: "Q8_0",
  fileBytes: 1,
  fileChangedAt: 1,
  layers: 1,
  moeLayers: 1,
  experts: 8,
  expertsUsed: 2,
  params: 1,
  paramsActive: 1,
  contextTrained: 1,
  sha256: null,
  addedAt: 1,
  lastUsedAt: null,
};
const measured: Measured = { placement: "cpu", ram: 700, ramWork: 200, vram: 0, at: 5 };

describe("a database from before memory was measured", () => {
  it("keeps every row, and knows of no model what it took", () => {
    expect(listConversations(db).map(({ id }) => id)).toEqual(["c1", "c2"]);
    expect(findMeasured(db, "m", "{}")).toBeNull();
  });
  it("keeps the last measurement for each way to load a model, found by the key, which goes with the model", () => {
    saveModel(db, model);
    saveMeasured(db, "m", "a", measured);
    saveMeasured(db, "m", "a", { ...measured, ram: 800, at: 6 });
    saveMeasured(db, "m", "b", { ...measured, placement: "hybrid", vram: 9 });
    expect(findMeasured(db, "m", "a")).toEqual({ ...measured, ram: 800, at: 6 });
    expect(findMeasured(db, "m", "b")).toEqual({ ...measured, placement: "hybrid", vram: 9 });
    expect(db.plan(measuredQuery(db, "m", "a"))).toMatch(/PRIMARY KEY/);
    forgetMeasured(db, "m");
    expect(findMeasured(db, "m", "a")).toBeNull();
    saveMeasured(db, "m", "a", measured);
    removeModel(db, "m");
    expect(findMeasured(db, "m", "a")).toBeNull();
  });
});
