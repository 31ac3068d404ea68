import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Database } from "../database.ts";
import { listMessages } from "../messages.ts";
import { openDatabase } from "../openDatabase.ts";
import { fillHashQuery, finishRun } from "../runs.ts";

const schema1 = join(import.meta.dirname, "../../../test/fixtures/databases/schema-1.sqlite");
let folder: string;
let db: Database;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "conclave-0005-"));
  copyFileSync(schema1, join(folder, "conclave.sqlite"));
  db = openDatabase(folder).database;
});
afterEach(() => {
  db.close();
  rmSync(folder, { recursive: true });
});

const runOf = (messageId: string) => listMessages(db, "c1").find(({ id }) => id === messageId)?.run;

describe("a database from before drafting", () => {
  it("keeps every run, and says of none how it was drafted", () => {
    expect(listMessages(db, "c1")).toHaveLength(5);
    expect(runOf("a1")).toMatchObject({ draft: null, timings: { generatedTokens: 9, draftedTokens: 0 } });
    expect(runOf("a1")?.timings).not.toHaveProperty("passes");
    expect(runOf("a3")).toMatchObject({ draft: null, timings: null });
  });

  it("holds what later runs report", () => {
    const timings = {
      promptTokens: 1,
      reusedTokens: 2,
      generatedTokens: 30,
      draftedTokens: 14,
      acceptedTokens: 10,
      passes: 20,
      draftMs: 1.5,
      plainMs: 2.25,
      distinctExperts: 3.5,
      expertsUsed: 2,
      firstTokenMs: 6.5,
      prefillMs: 7.5,
      decodeMs: 50.25,
    };
    const outcome = { engineVersion: "1", stopReason: null, error: null, prompt: null, reuse: null };
    finishRun(db, "r1", { ...outcome, timings });
    expect(runOf("a1")?.timings).toEqual(timings);
  });

  it("still finds runs without a hash through their index", () => {
    expect(db.plan(fillHashQuery(db, "m", "x"))).toContain("runs_without_hash");
  });
});
