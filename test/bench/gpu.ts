// `npm run test:gpu` and `npm run bench:gpu`, for a machine with a graphics card: the op list and every reference model on the
// card, the op list under compute-sanitizer; and speed on the synthetic models. Elsewhere they say what is missing and fail.
import { join } from "node:path";
import { ensureSynthetic } from "./syntheticGguf.ts";
import { buildAll } from "../../build/buildAll.ts";
import { run } from "../../build/run.ts";
import { repositoryRoot } from "../../build/vite.destination.ts";

const program = (name: string): string => join(repositoryRoot, "out", "native", name);
/** Adds the card to the devices that the native tests run on; they fail if there is none. */
const onCard = { ...process.env, CONCLAVE_TEST_CUDA: "1" };

async function must(
  what: string,
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  console.log(`\n== ${what} ==`);
  const { status, complaint } = await run(command, args, { env });
  if (status !== 0) throw new Error(complaint ?? `${what} failed`);
}

async function test(): Promise<void> {
  await must("the op list on the card", program("ops_test"), [], onCard);
  await must("linear and latent attention on the card", program("linear_attention_test"), [], onCard);
  await must("every reference model on the card", program("forward_test"), ["on the card"], onCard);
  for (const check of ["memcheck", "racecheck"])
    await must(
      `the op list under ${check}`,
      "compute-sanitizer",
      ["--tool", check, "--error-exitcode", "1", program("ops_test")],
      onCard,
    );
}

async function bench(): Promise<void> {
  for (const name of ["olmoe", "mixtral", "qwen3moe"]) {
    const model = await ensureSynthetic(name, (line) => process.stderr.write(`${line}\n`));
    for (const prompt of ["512", "4096"])
      await must(`${name}, prompt of ${prompt}`, program("conclave"), [
        "bench",
        model,
        "--device",
        "cuda",
        "-p",
        prompt,
        "-n",
        "64",
        "--chunk",
        "512",
      ]);
    await must(`${name}, rows in one pass`, program("conclave"), [
      "bench",
      model,
      "--device",
      "cuda",
      "--rows",
      "1,2,4,8,16",
    ]);
  }
}

try {
  await buildAll(["native"]);
  await must("the CUDA library", process.execPath, [join(repositoryRoot, "build", "cuda.ts")]);
  await (process.argv[2] === "bench" ? bench() : test());
} catch (error) {
  process.stderr.write(`Error: ${error instanceof Error ? error.message : String(error)}.\n`);
  process.exitCode = 1;
}
