import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { defaultSettings } from "../contract/settings.ts";
import type { ModelPlan } from "../contract/placement.ts";
import type { Database } from "../db/database.ts";
import { saveModel, type StoredModel } from "../db/models.ts";
import { openDatabase } from "../db/openDatabase.ts";
import { createScriptedEngine, scriptedPlan, type ScriptedEngine } from "../../test/fixtures/scriptedEngine.ts";
import { createLoading, type Loading, type LoadingPreferences, waysOut } from "./loading.ts";

const model: StoredModel = {
  id: "m",
  name: "M",
  path: "/m.gguf",
  source: "file",
  architecture: "olmoe",
  quantisation: "Q8_0",
  fileBytes: 1,
  fileChangedAt: 1,
  layers: 2,
  moeLayers: 2,
  experts: 16,
  expertsUsed: 4,
  params: 1,
  paramsActive: 1,
  contextTrained: 4096,
  sha256: null,
  addedAt: 1,
  lastUsedAt: null,
};
/** As the engine answers on a machine with a card that holds some of the experts. */
const withCard: ModelPlan = {
  ...scriptedPlan,
  placement: "hybrid",
  gpu: { weights: 100, experts: 100, kv: 50, work: 80 },
  cpu: { weights: 0, experts: 300, kv: 0, work: 200 },
  expertsOnGpu: 8,
  context: 4096,
  mostContext: 2048,
  machine: { ram: 2000, ramFree: 1500, vram: 400, vramFree: 350, unified: false, card: "cuda", noCard: "" },
};
const facts = {
  architecture: "olmoe",
  name: "M",
  quantisation: "Q8_0",
  fileBytes: 1,
  layers: 2,
  moeLayers: 2,
  experts: 16,
};
const loadedFacts = { ...facts, expertsUsed: 4, params: 1, paramsActive: 1, contextTrained: 4096, engineVersion: "1" };

let folder: string;
let database: Database;
let engine: ScriptedEngine;
let preferences: LoadingPreferences;
let loading: Loading;
let drafter: string | null;
const counted: string[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "conclave-loading-"));
  database = openDatabase(folder).database;
  saveModel(database, model);
  engine = createScriptedEngine();
  preferences = defaultSettings;
  drafter = null;
  counted.length = 0;
  loading = createLoading({
    database,
    engine,
    preferences: () => preferences,
    change: (values) => (preferences = { ...preferences, ...values }),
    drafterFor: async () => drafter,
    async expertUsage({ id }) {
      counted.push(id);
      return [[3], [4]];
    },
    now: () => 7,
    log: () => {},
  });
});
afterEach(() => {
  database.close();
  rmSync(folder, { recursive: true });
});

describe("what a load asks for", () => {
  it("is the app's choice, until the model has its own", async () => {
    expect((await loading.plan(model)).options).toEqual({
      device: "auto",
      context: 0,
      kvType: "F16",
      expertCache: "fixed",
      vramMb: 0,
    });
    preferences = { ...preferences, device: "cpu", context: 1000 };
    await loading.set(model, { kvType: "Q8_0", vramMb: 500 });
    const { own } = await loading.set(model, { context: 512, device: undefined });
    expect(own).toEqual({ kvType: "Q8_0", vramMb: 500, context: 512 });
    expect((await loading.prepare(model)).request).toMatchObject({
      device: "cpu",
      context: 512,
      kvType: "Q8_0",
      deviceBytes: 500_000_000,
    });
    expect((await loading.plan(model, { context: 256 })).plan.context).toBe(256);
    expect((await loading.plan(model)).plan.context).toBe(512);
    expect((await loading.set(model, { kvType: null })).own).toEqual({ vramMb: 500, context: 512 });
    expect(await loading.set(model, null)).toMatchObject({ own: {}, options: { device: "cpu", context: 1000 } });
  });

  it("counts the use of experts only where a card has places to give", async () => {
    expect((await loading.prepare(model)).request.expertUsage).toBeUndefined();
    expect(counted).toEqual([]);
    engine.planned = withCard;
    expect((await loading.prepare(model)).request.expertUsage).toEqual([[3], [4]]);
  });
});

describe("what a load took", () => {
  it("is remembered for each way to load, as the last peak says", async () => {
    const load = await loading.prepare(model);
    loading.loaded("m", load, { ...loadedFacts, context: 4096, expertsOnGpu: 0, backend: "cpu-avx2" });
    loading.settle(false);
    expect((await loading.plan(model)).measured).toBeNull(); // nothing is known yet
    engine.peak = { ram: 900, ramWork: 150, vram: 0 };
    loading.settle(false);
    engine.peak = { ram: 950, ramWork: 180, vram: 0 };
    loading.settle(true);
    engine.peak = { ram: 1, ramWork: 1, vram: 1 };
    loading.settle(true); // of no model any more
    expect((await loading.plan(model)).measured).toEqual({ placement: "cpu", ram: 950, ramWork: 180, vram: 0, at: 7 });
    expect((await loading.plan(model, { context: 256 })).measured).toBeNull();
    drafter = "/d.gguf";
    expect((await loading.plan(model)).measured).toBeNull();
    loading.forgetMeasured("m");
    drafter = null;
    expect((await loading.plan(model)).measured).toBeNull();
  });

  it.each([
    ["cuda", 32, "gpu"],
    ["cuda + cpu-avx2", 8, "hybrid"],
  ])("on %s with %i experts is that of a %s placement", async (backend, expertsOnGpu, placement) => {
    engine.peak = { ram: 900, ramWork: 150, vram: 300 };
    loading.loaded("m", await loading.prepare(model), { ...loadedFacts, context: 4096, expertsOnGpu, backend });
    loading.settle(true);
    expect((await loading.plan(model)).measured).toMatchObject({ placement, vram: 300 });
  });
});

describe("ways out of a load without enough memory", () => {
  it("are a context that fits and the processor, where they are other than what was tried", async () => {
    engine.planned = { ...withCard, mostContext: 2048 };
    expect(waysOut("out-of-memory", await loading.prepare(model))).toEqual({ context: 2048, processor: true });
    expect(waysOut("bad-file", await loading.prepare(model))).toBeNull();
    engine.planned = scriptedPlan;
    await loading.set(model, { device: "cpu", context: 256 });
    expect(waysOut("out-of-memory", await loading.prepare(model))).toEqual({ context: null, processor: false });
    await loading.set(model, { device: "gpu" });
    const withoutCard = await loading.prepare(model);
    expect(waysOut("unsupported", withoutCard)).toEqual({ context: null, processor: true });
    await loading.set(model, { device: "auto" });
    expect(waysOut("unsupported", await loading.prepare(model))).toBeNull();
    expect(waysOut("out-of-memory", null)).toEqual({ context: null, processor: false });
  });
});
