// Entry of the browser form of Conclave: the same services and renderer as the desktop app, over HTTP and a WebSocket on
// 127.0.0.1. Reads the command line, prints the address, and ends cleanly on Ctrl-C.
import { join } from "node:path";
import { createApp } from "../app/createApp.ts";
import { dataFolder } from "../app/dataFolder.ts";
import { createLog } from "../app/log.ts";
import { places } from "../app/places.ts";
import { AppError } from "../contract/errors.ts";
import { createEngineClient } from "../engine/engineClient.ts";
import { spawnWithChildProcess } from "../engine/spawnNode.ts";
import { readArguments, usage } from "./arguments.ts";
import { startWeb } from "./startWeb.ts";

async function main(): Promise<void> {
  const given = readArguments(process.argv.slice(2));
  if (given.help) return void process.stdout.write(`${usage}\n`);
  const folder = dataFolder(given.data);
  const log = createLog(join(folder, "logs"));
  const { renderer, engineHost, models, version } = places();
  const engine = createEngineClient({ spawn: spawnWithChildProcess(engineHost) });
  const app = createApp({
    version,
    entry: "web",
    dataFolder: folder,
    modelFolders: models,
    engine,
    log,
    pickModelFile: async () => null,
    // The page asks and opens it itself: this process has no business with the user's browser.
    openExternal: async () => false,
  });
  const web = await startWeb(app, renderer, given.port, log);
  const facts = { url: web.url, port: web.port, pid: process.pid, dataFolder: folder };

  let closing = false;
  const close = async (): Promise<void> => {
    // A second Ctrl-C means now.
    if (closing) process.exit(130);
    closing = true;
    await web.close();
    await app.close();
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.on(signal, () => void close().then(() => process.exit(0), fail));
  // Last, because whoever reads the address may end us at once.
  process.stdout.write(given.printJson ? `${JSON.stringify(facts)}\n` : `Conclave is at ${web.url}\n`);
}

function fail(error: unknown): never {
  process.stderr.write(
    `${error instanceof AppError ? error.message : String(error instanceof Error ? error.stack : error)}\n`,
  );
  process.exit(1);
}

main().catch(fail);
