// The synthetic files must be what they claim: readable by the engine, of the published sizes, the same every time.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { native } from "../addon/engineUnderTest.ts";
import { ensureSynthetic } from "./syntheticGguf.ts";
import { geometry, halfBits } from "./syntheticBlocks.ts";
import { shapes, tensorsOf, type Shape } from "./syntheticShapes.ts";

let folder = "";
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "conclave-synthetic-"))));
afterAll(() => rmSync(folder, { recursive: true }));

const tinyNames = Object.keys(shapes).map((name) => `${name}-tiny`);

test.each(tinyNames)("the engine loads %s and generates from it", async (name) => {
  const path = await ensureSynthetic(name, () => undefined, folder);
  const engine = await native.Engine.open({ path, threads: 1, context: 64 });
  const tokens: number[] = [];
  await new Promise<void>((resolve, reject) => {
    engine.request({ tokens: Uint32Array.of(1, 2, 3), maxTokens: 8 }, (batch) => {
      tokens.push(...batch.tokens);
      if (batch.failed !== undefined) reject(new Error(batch.failed.message));
      if (batch.ended !== undefined) resolve();
    });
  });
  expect(engine.info.experts).toBeGreaterThan(1);
  expect(tokens.length).toBeGreaterThan(0);
  await engine.close();
});

test("a file that was cut short is written again, with the same bytes", async () => {
  const path = await ensureSynthetic("olmoe-tiny", () => undefined, folder);
  const first = readFileSync(path);
  rmSync(path);
  expect(await ensureSynthetic("olmoe-tiny", () => undefined, folder)).toBe(path);
  expect(readFileSync(path).equals(first)).toBe(true);
});

test("the full shapes have the published parameter counts", () => {
  const parameters = (shape: Shape): number =>
    tensorsOf(shape).reduce((sum, { dims }) => sum + dims.reduce((product, n) => product * n, 1), 0);
  const whole = (name: string, layers: number): number => {
    const shape = shapes[name];
    if (shape === undefined) throw new Error(`no shape ${name}`);
    return parameters({ ...shape, layers }) / 1e9;
  };
  expect(whole("olmoe", 16)).toBeCloseTo(6.92, 2);
  expect(whole("mixtral", 32)).toBeCloseTo(46.7, 1);
  expect(whole("qwen3moe", 48)).toBeCloseTo(30.53, 2);
  expect(whole("gpt-oss", 24)).toBeCloseTo(20.91, 2);
});

test("16-bit scales: normal, subnormal, and the border between them", () => {
  expect([1, 0.5, 65504, 2 ** -14, 2 ** -24, 3.4e-5].map(halfBits)).toEqual([0x3c00, 0x3800, 0x7bff, 0x0400, 1, 570]);
});

test("rows are whole blocks", () => {
  for (const shape of Object.values(shapes)) {
    for (const { name, dims, format } of tensorsOf(shape)) {
      expect((dims[0] ?? 0) % geometry[format].values, name).toBe(0);
    }
  }
});
