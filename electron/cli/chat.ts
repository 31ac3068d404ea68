// `npm run chat`: an answer, or a conversation, in the terminal, through the same engine process as the app. Standard
// output carries the answer and nothing else. Exit status: 0, 1 for an error (one sentence on standard error), 2 for a wrong
// command line, 130 after Ctrl-C.
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { toWire } from "../contract/errors.ts";
import { createEngineClient } from "../engine/engineClient.ts";
import type { EngineApi } from "../engine/engineApi.ts";
import { spawnWithChildProcess } from "../engine/spawnNode.ts";
import { answerJson, startAnswer } from "./answer.ts";
import { converse } from "./conversation.ts";
import { readOptions, usage, UsageError, type ChatOptions } from "./options.ts";

const here = import.meta.dirname;
/** Built, every product lies in one folder; from the sources, each has its own. Both lie two below the root. */
const hostPath = import.meta.filename.endsWith(".ts") ? join(here, "..", "engine", "host.ts") : join(here, "host.js");
const shipped = (file: string): string => join(here, "..", "..", "models", "default", file);
const embeddedModel = shipped("tiny-Q8_0.gguf");
/** The embedded model's, best first. */
const embeddedDrafters = [
  { modes: ["dflash", "auto"], file: shipped("dflash-Q8_0.gguf") },
  { modes: ["mdlm", "auto"], file: shipped("mdlm-Q8_0.gguf") },
];

async function answerOnce(engine: EngineApi, options: ChatOptions, prompt: string, path: string): Promise<void> {
  const info = await load(engine, options, path);
  const running = startAnswer(engine, options, [{ role: "user", content: prompt }], (text) =>
    process.stdout.write(text),
  );
  let interrupted = false;
  process.on("SIGINT", () => {
    if (interrupted) process.exit(130);
    interrupted = true;
    running.handle.cancel();
  });
  const answer = await running.done;
  process.stdout.write("\n");
  if (options.json) process.stdout.write(`${answerJson(answer, info, path)}\n`);
  if (interrupted) process.exitCode = 130;
}

/** Those that were named; for the embedded model without any, the one that ships with it and fits the mode. */
function draftersFor({ drafters, model, draft }: ChatOptions): string[] {
  if (drafters.length > 0 || model !== null) return drafters.map((file) => resolve(file));
  return embeddedDrafters
    .filter(({ modes, file }) => modes.includes(draft.mode) && existsSync(file))
    .slice(0, 1)
    .map(({ file }) => file);
}

function load(engine: EngineApi, options: ChatOptions, path: string) {
  const { threads, exact } = options;
  const drafters = draftersFor(options);
  return engine.load({ path, threads, context: 0, chatTemplate: "model", exact, drafters }, () => {});
}

async function chat(options: ChatOptions): Promise<void> {
  const path = options.model === null ? embeddedModel : resolve(options.model);
  const engine = createEngineClient({ spawn: spawnWithChildProcess(hostPath) });
  try {
    if (options.prompt !== null) {
      await answerOnce(engine, options, options.prompt, path);
      return;
    }
    const info = await load(engine, options, path);
    const interactive = process.stdin.isTTY && process.stdout.isTTY;
    await converse(engine, options, info, path, { input: process.stdin, output: process.stdout, interactive });
  } finally {
    await engine.close();
  }
}

function fail(status: number, message: string): void {
  process.stderr.write(`${message}\n`);
  process.exitCode = status;
}

// The reader of a pipe may leave early (`| head`): that ends the answer, quietly.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

try {
  const options = readOptions(process.argv.slice(2));
  if (options === null) process.stdout.write(usage);
  else await chat(options);
} catch (error) {
  if (error instanceof UsageError) fail(2, `${error.message}\n\n${usage}`);
  else fail(1, `Error: ${toWire(error).message}`);
}
