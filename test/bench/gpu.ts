// `npm run test:gpu`, for a machine with a graphics card: the op list and every reference model on the card, and the op list
// under compute-sanitizer. Elsewhere it says what is missing and fails.
import { join } from "node:path";
import { buildCard } from "./gpuMachine.ts";
import { run } from "../../build/run.ts";
import { repositoryRoot } from "../../build/vite.destination.ts";

const program = (name: string): string => join(repositoryRoot, "out", "native", name);
/** Adds the card to the devices that the native tests run on; they fail if there is none. */
const onCard = { ...process.env, CONCLAVE_TEST_CUDA: "1" };

async function must(what: string, command: string, args: readonly string[]): Promise<void> {
  console.log(`\n== ${what} ==`);
  const { status, complaint } = await run(command, args, { env: onCard });
  if (status !== 0) throw new Error(complaint ?? `${what} failed`);
}

async function main(): Promise<void> {
  await buildCard();
  await must("the op list on the card", program("ops_test"), []);
  await must("linear and latent attention on the card", program("linear_attention_test"), []);
  await must("shared pages on the card, bit by bit", program("attend_shared_test"), []);
  await must("every reference model on the card", program("forward_test"), ["on the card"]);
  for (const check of ["memcheck", "racecheck"])
    await must(`the op list under ${check}`, "compute-sanitizer", [
      "--tool",
      check,
      "--error-exitcode",
      "1",
      program("ops_test"),
    ]);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`Error: ${error instanceof Error ? error.message : String(error)}.\n`);
  process.exitCode = 1;
}
