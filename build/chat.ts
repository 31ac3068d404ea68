// `npm run chat`: builds the engine and the command line if stale, then hands over. stdout belongs to the answer.
import { join } from "node:path";
import { buildAll } from "./buildAll.ts";
import { run } from "./run.ts";
import { repositoryRoot } from "./vite.destination.ts";

try {
  await buildAll(["native", "app"]);
  const { status, complaint } = await run(process.execPath, [
    join(repositoryRoot, "out/app/chat.js"),
    ...process.argv.slice(2),
  ]);
  if (complaint !== undefined) throw new Error(complaint);
  process.exitCode = status;
} catch (error) {
  process.stderr.write(`Error: ${error instanceof Error ? error.message : String(error)}.\n`);
  process.exitCode = 1;
}
