import { expect, test } from "vitest";
import { kernelUses, table } from "./cuda.ts";

const report = `
ptxas info    : Compiling entry function '_Z6kernelA' for 'sm_80'
ptxas info    : Function properties for _Z6kernelA
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 32 registers, used 1 barriers, 400 bytes cmem[0]
ptxas info    : Compiling entry function '_Z6kernelB' for 'sm_80'
ptxas info    : Function properties for _Z6kernelB
    8 bytes stack frame, 12 bytes spill stores, 16 bytes spill loads
ptxas info    : Used 128 registers, used 0 barriers, 400 bytes cmem[0]
ptxas info    : Compiling entry function '_Z6kernelA' for 'sm_90a'
ptxas info    : Function properties for _Z6kernelA
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 40 registers, used 1 barriers, 400 bytes cmem[0]
`;

test("the compiler's report is read kernel by kernel", () => {
  expect(kernelUses(report)).toEqual([
    { architecture: "80", name: "_Z6kernelA", registers: 32, spilledBytes: 0 },
    { architecture: "80", name: "_Z6kernelB", registers: 128, spilledBytes: 28 },
    { architecture: "90a", name: "_Z6kernelA", registers: 40, spilledBytes: 0 },
  ]);
});

test("the table has one line for each architecture, with its worst kernel", () => {
  const lines = table(kernelUses(report)).split("\n");
  expect(lines.slice(1).map((line) => line.trim().split(/\s+/))).toEqual([
    ["sm_80", "2", "128", "1", "28"],
    ["sm_90a", "1", "40", "0", "0"],
  ]);
});
