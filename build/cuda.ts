// `npm run build:cuda`: compiles the CUDA library beside the engine, for every architecture that it supports, and prints what
// the compiler says of each kernel: registers, spills, the library's size. Needs CUDA 13's nvcc; nothing else ever does, for
// the engine opens the library at run time, and only where there is a driver.
import { mkdirSync, statSync } from "node:fs";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { cudaLibrary } from "./shippedFiles.ts";
import { repositoryRoot } from "./vite.destination.ts";

/** Turing to Blackwell. The last also as PTX, which drivers of later cards compile for themselves. */
const architectures = ["75", "80", "86", "89", "90a", "100", "120"];
const mostBytes = 60e6;

const library = join(repositoryRoot, "out", "native", cudaLibrary(`${process.platform}-${process.arch}`));

export interface KernelUse {
  readonly architecture: string;
  readonly name: string;
  readonly registers: number;
  readonly spilledBytes: number;
}

/** What `ptxas -v` said of each kernel. */
export function kernelUses(report: string): KernelUse[] {
  const entry =
    /Compiling entry function '([^']+)' for 'sm_(\w+)'[\s\S]*?(\d+) bytes spill stores, (\d+) bytes spill loads[\s\S]*?Used (\d+) registers/g;
  return [...report.matchAll(entry)].map(([, name = "", architecture = "", stores, loads, registers]) => ({
    architecture,
    name,
    registers: Number(registers),
    spilledBytes: Number(stores) + Number(loads),
  }));
}

export function table(uses: readonly KernelUse[]): string {
  const rows = [...new Set(uses.map(({ architecture }) => architecture))].map((architecture) => {
    const own = uses.filter((use) => use.architecture === architecture);
    const most = own.reduce((best, use) => (use.registers > best.registers ? use : best));
    const spilling = own.filter(({ spilledBytes }) => spilledBytes > 0);
    const worst = Math.max(0, ...spilling.map(({ spilledBytes }) => spilledBytes));
    return [`sm_${architecture}`, own.length, most.registers, spilling.length, worst];
  });
  const lines = [["architecture", "kernels", "most registers", "kernels that spill", "most bytes spilled"], ...rows];
  return lines.map((cells) => cells.map((cell) => String(cell).padStart(20)).join("")).join("\n");
}

function nvcc(args: readonly string[]): Promise<{ status: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn("nvcc", args, { cwd: join(repositoryRoot, "native"), stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const keep = (data: Buffer): void => void (output += data.toString());
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.on("error", (error) =>
      reject(new Error(`nvcc could not be started (${error.message}); install the CUDA Toolkit 13 and try again`)),
    );
    child.on("close", (code) => resolve({ status: code ?? 1, output }));
  });
}

async function buildCuda(wanted: readonly string[]): Promise<void> {
  const unknown = wanted.filter((name) => !architectures.includes(name));
  if (unknown.length > 0)
    throw new Error(`there is no architecture ${unknown.join(", ")}; name some of ${architectures.join(", ")}`);
  const chosen = wanted.length > 0 ? wanted : architectures;
  const codes = chosen.map(
    (name) => `arch=compute_${name},code=${name === "120" ? "[sm_120,compute_120]" : `sm_${name}`}`,
  );
  const hostFlags = process.platform === "win32" ? "/W4" : "-fPIC,-fvisibility=hidden,-Wall,-Wextra";
  mkdirSync(join(repositoryRoot, "out", "native"), { recursive: true });
  const { status, output } = await nvcc([
    "-std=c++20",
    "-O3",
    "-shared",
    "-cudart",
    "static",
    "-Xcompiler",
    hostFlags,
    "-Xptxas",
    "-v",
    "-Werror",
    "all-warnings",
    "--expt-relaxed-constexpr",
    "--threads",
    "0",
    ...codes.flatMap((code) => ["-gencode", code]),
    "-I.",
    "-o",
    library,
    "ops/cuda/cuda_library.cu",
  ]);
  if (status !== 0) throw new Error(`nvcc failed:\n${output}`);
  const bytes = statSync(library).size;
  console.log(`${table(kernelUses(output))}\n\n${library}: ${(bytes / 1e6).toFixed(1)} MB`);
  if (bytes > mostBytes) throw new Error(`the library is larger than ${mostBytes / 1e6} MB`);
}

if (import.meta.main) {
  await buildCuda(process.argv.slice(2)).catch((error: unknown) => {
    process.stderr.write(`Error: ${error instanceof Error ? error.message : String(error)}.\n`);
    process.exitCode = 1;
  });
}
