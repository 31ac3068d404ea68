import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { commonPrefix, isKnown, type PrefixEngine, warmPrefix } from "./prefixWarmer.ts";

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "conclave-warm-"))));
afterEach(() => rmSync(folder, { recursive: true }));

const tokens = Uint32Array.from({ length: 70 }, (_, index) => index);
const coded = (code: string): Error => Object.assign(new Error(`It is ${code}.`), { code });

/** Knows nothing at first; says what it was asked. */
function engine(change: Partial<PrefixEngine> = {}): PrefixEngine & { readonly calls: string[] } {
  const calls: string[] = [];
  let known = 0;
  const base: PrefixEngine = {
    knownPrefix: async () => known,
    async savePrefix({ path }) {
      writeFileSync(path, "saved");
      return 5;
    },
    async loadPrefix() {
      known = 64;
      return 5;
    },
    async compute() {
      known = 70;
      return true;
    },
    ...change,
  };
  const noted = <K extends keyof PrefixEngine>(name: K): PrefixEngine[K] =>
    ((argument: never) => {
      calls.push(name);
      return base[name](argument);
    }) as PrefixEngine[K];
  return {
    calls,
    knownPrefix: noted("knownPrefix"),
    savePrefix: noted("savePrefix"),
    loadPrefix: noted("loadPrefix"),
    compute: noted("compute"),
  };
}

const request = (compute = true) => ({ tokens, file: join(folder, "p.kv"), modelSha256: "a".repeat(64), compute });

describe("keeping a prefix warm", () => {
  it("computes it once, keeps a file, and finds it in memory next time", async () => {
    const cold = engine();
    expect(await warmPrefix(cold, request())).toMatchObject({ source: "computed", bytes: 5, trouble: null });
    expect(cold.calls).toEqual(["knownPrefix", "compute", "savePrefix"]);
    expect(await warmPrefix(cold, request())).toMatchObject({ source: "memory", bytes: 5 });
    expect(cold.calls.slice(3)).toEqual(["knownPrefix"]);
  });
  it("reads the file instead of computing", async () => {
    writeFileSync(request().file, "saved");
    const restarted = engine();
    expect(await warmPrefix(restarted, request())).toMatchObject({ source: "disk", bytes: 5 });
    expect(restarted.calls).toEqual(["knownPrefix", "loadPrefix"]);
  });
  it("throws a refused file away and makes it anew", async () => {
    writeFileSync(request().file, "another's");
    const strict = engine({ loadPrefix: async () => Promise.reject(coded("bad-file")) });
    expect(await warmPrefix(strict, request())).toMatchObject({ source: "computed", trouble: "It is bad-file." });
    expect(strict.calls).toEqual(["knownPrefix", "loadPrefix", "compute", "savePrefix"]);
  });
  it("does not compute unless asked to, but throws a refused file away all the same", async () => {
    writeFileSync(request().file, "another's");
    const strict = engine({ loadPrefix: async () => Promise.reject(coded("bad-file")) });
    expect(await warmPrefix(strict, request(false))).toMatchObject({ source: "none", bytes: 0 });
    expect(existsSync(request().file)).toBe(false);
  });
  it("keeps a good file for which there is no room now", async () => {
    writeFileSync(request().file, "saved");
    const full = engine({ loadPrefix: async () => Promise.reject(coded("out-of-memory")) });
    expect(await warmPrefix(full, request(false))).toMatchObject({ source: "none", bytes: 5 });
    expect(existsSync(request().file)).toBe(true);
  });
  it("is warm without a file too, when none is wanted or none can be written", async () => {
    expect(await warmPrefix(engine(), { ...request(), file: null })).toMatchObject({ source: "computed", bytes: 0 });
    const full = engine({ savePrefix: async () => Promise.reject(coded("io")) });
    expect(await warmPrefix(full, request())).toMatchObject({ source: "computed", bytes: 0, trouble: "It is io." });
  });
  it("keeps no file of less than a page, and takes whole pages for known", async () => {
    const short = engine();
    const few = { ...request(), tokens: tokens.slice(0, 31) };
    expect(await warmPrefix(short, few)).toMatchObject({ source: "computed", bytes: 0, trouble: null });
    expect(short.calls).toEqual(["knownPrefix", "compute"]);
    expect([0, 63, 64, 70].map((known) => isKnown(tokens, known))).toEqual([false, false, true, true]);
    expect([0, 30, 31].map((known) => isKnown(tokens.slice(0, 31), known))).toEqual([false, false, true]);
  });
  it("says so when computing was cut off", async () => {
    expect(await warmPrefix(engine({ compute: async () => false }), request())).toMatchObject({
      source: "none",
      bytes: 0,
    });
  });
});

describe("what two prompts have in common", () => {
  it("ends at the first difference, or with the shorter one", () => {
    const common = (a: number[], b: number[]) => [...commonPrefix(Uint32Array.from(a), Uint32Array.from(b))];
    expect(common([1, 2, 3], [1, 2, 4])).toEqual([1, 2]);
    expect(common([1, 2], [1, 2, 3])).toEqual([1, 2]);
    expect(common([1, 2, 3], [1, 2])).toEqual([1, 2]);
    expect(common([], [1])).toEqual([]);
  });
});
