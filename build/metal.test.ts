import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  clangComplaints,
  deviceComplaints,
  findClang,
  makeMetalText,
  metalDevice,
  metalLibraries,
  metalViolations,
} from "./metal.ts";

const folder = mkdtempSync(join(tmpdir(), "conclave-metal-"));
const text = makeMetalText(join(folder, "kernels.metal"));
rmSync(folder, { recursive: true });

const clang = findClang();
if (clang === null)
  process.stderr.write(
    "\nSKIPPED: no clang++ is here to read the Metal kernels' address spaces; any version from 14 on.\n\n",
  );

/** The text with one thing replaced that must be there. */
function planted(old: string, changed: string): string {
  expect(text).toContain(old);
  return text.replace(old, changed);
}

test("the text holds every file once, and nothing that Metal cannot include", () => {
  expect(text.match(/^struct Place/gm)).toHaveLength(1);
  expect(text.match(/#include.*/g)).toEqual(["#include <metal_simdgroup_matrix>", "#include <metal_stdlib>"]);
});

test("there is a library for each format of weights and of pages, and one for the rest", () => {
  const libraries = metalLibraries();
  expect(libraries).toContain("CONCLAVE_WEIGHTS=Q4_K");
  expect(libraries).toContain("CONCLAVE_PAGES=KvQ8_0");
  expect(libraries).toContain("CONCLAVE_SINGLE=1");
  expect(new Set(libraries).size).toBe(libraries.length);
});

describe.skipIf(clang === null)("as clang reads them", () => {
  test.each(metalLibraries())("the kernels of %s", async (define) => {
    expect(await clangComplaints(clang ?? "", text, define)).toBe("");
  });

  test("the device, which no machine but a Mac builds", async () => {
    expect(await deviceComplaints(clang ?? "", metalDevice())).toBe("");
  });

  test("planted: a device that lacks what every device must do", async () => {
    const broken = metalDevice().replace("void wait() override", "void pause()");
    expect(await deviceComplaints(clang ?? "", broken)).toContain("abstract class");
  });

  test("planted: threadgroup memory taken for the device's", async () => {
    const broken = planted(
      "const Shared<float> room = as<float>(shared);",
      "const Global<float> room = as<float>(shared);",
    );
    expect(await clangComplaints(clang ?? "", broken, "CONCLAVE_SINGLE=1")).toContain("cannot initialize a variable");
  });

  test("planted: a word of Metal's for a name", async () => {
    const broken = planted(
      "for (int part = 0; part < 2; ++part) {",
      "for (int half = 0; half < 2; ++half) {\nconst int part = half;",
    );
    expect(await clangComplaints(clang ?? "", broken, "CONCLAVE_WEIGHTS=MXFP4")).toContain("error:");
  });

  test("planted: a struct of the arguments handed on as the thread's own", async () => {
    const broken = planted(
      "TileRows tile_rows(CONCLAVE_ARGS const Rows& x)",
      "TileRows tile_rows(CONCLAVE_THREAD const Rows& x)",
    );
    expect(await clangComplaints(clang ?? "", broken, "CONCLAVE_WEIGHTS=Q4_K")).toContain("tile_rows");
  });
});

test("the kernels keep the rules that clang does not know", () => {
  expect(metalViolations(text)).toEqual([]);
});

test.each([
  ["CONCLAVE_DEVICE void f(const Words4& q, CONCLAVE_THREAD Unit& unit) {", "where its object lies"],
  ["CONCLAVE_DEVICE void f(CONCLAVE_THREAD const Words4& q, Unit& unit) {", "where its object lies"],
  ["CONCLAVE_DEVICE void f(float (&out)[4]) {", "where its object lies"],
  ["CONCLAVE_DEVICE void f(const float* x) {", "a Global, a Shared or a Pointer"],
  ["struct Args {\n  float *x, *y;\n};", "a Global, a Shared or a Pointer"],
  ["inline constexpr int kWide = 4;", "CONCLAVE_CONSTANT"],
  ["struct Kernel {\n  static constexpr int kThreads = 64;\n};", "CONCLAVE_CONSTANT"],
  ["template <>\nCONCLAVE_CONSTANT bool kWide<F32> = true;", "must not be specialised"],
  ["const auto f = [&](int i) { return i; };", "no lambdas"],
  ["const float x = std::exp(1.f);", "not in the language"],
  ["const float x = 0.5 * y;", "no double"],
])("planted: %s", (line, why) => {
  expect(metalViolations(line).join()).toContain(why);
});

test.each([
  "const int b = a & 3, c = x[i] & y;  // a reference & in prose",
  "CONCLAVE_DEVICE void f(CONCLAVE_THREAD const float (&x)[4], CONCLAVE_ARGS const Args& args, Global<float> p) {",
  "const float x = 0.5f * y * z, u = a*b, w = *p * 1e-6f;",
  "for (int i = 0; i < 4; ++i) out.w[i] = load_as<uint32_t>(p + 4 * i);",
])("allowed: %s", (line) => {
  expect(metalViolations(line)).toEqual([]);
});
