/** What the tests and measurements on a graphics card share: the builds that they need, and which card it is. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { buildAll } from "../../build/buildAll.ts";
import { run } from "../../build/run.ts";
import { repositoryRoot } from "../../build/vite.destination.ts";

/** The engine and the CUDA library. Throws when nvcc is missing or a build fails. */
export async function buildCard(): Promise<void> {
  await buildAll(["native"]);
  const { status, complaint } = await run(process.execPath, [join(repositoryRoot, "build", "cuda.ts")]);
  if (status !== 0) throw new Error(complaint ?? "the CUDA library could not be built");
}

export interface Card {
  readonly name: string;
  readonly driver: string;
}

/** The first card, as its driver names it. Throws when there is none. */
export function card(): Card {
  const query = ["--query-gpu=name,driver_version", "--format=csv,noheader"];
  const [line = ""] = execFileSync("nvidia-smi", query, { encoding: "utf8" }).split("\n");
  const [name = "", driver = ""] = line.split(",").map((part) => part.trim());
  return { name, driver };
}

/** 10^12 operations a second of the dense matrix units with 8-bit whole numbers, as the makers publish them. */
const publishedRates: ReadonlyArray<readonly [name: RegExp, int8: number]> = [
  [/H[12]00/, 1979],
  [/A100/, 624],
  [/RTX 4090/, 661],
  [/L40S/, 733],
];

export function int8Rate(name: string): number | null {
  return publishedRates.find(([pattern]) => pattern.test(name))?.[1] ?? null;
}
