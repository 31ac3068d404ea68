// The interactive chat: reads lines, keeps the conversation, answers. With piped input it answers line by line and ends
// with the input. Ctrl-C stops the answer; again, or while nothing runs, it leaves.
import { createInterface } from "node:readline";
import { toWire } from "../contract/errors.ts";
import type { ChatTurn, EngineApi, LoadedInfo } from "../engine/engineApi.ts";
import { answerJson, startAnswer, type RunningAnswer } from "./answer.ts";
import type { ChatOptions } from "./options.ts";

export interface Terminal {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
  /** A person types; then prompts and hints are shown. */
  readonly interactive: boolean;
}

const hint = "/new starts over, /exit leaves, Ctrl-C stops an answer.\n";

export async function converse(
  engine: EngineApi,
  options: ChatOptions,
  info: LoadedInfo,
  model: string,
  terminal: Terminal,
): Promise<void> {
  const { input, output, interactive } = terminal;
  const lines = createInterface({ input, output, terminal: interactive, prompt: "> " });
  const turns: ChatTurn[] = [];
  let running: RunningAnswer | null = null;
  let interrupted = false;
  lines.on("SIGINT", () => {
    if (running === null) lines.close();
    else if (interrupted) process.exit(130);
    else running.handle.cancel();
    interrupted = running !== null;
  });
  if (interactive) output.write(`${info.name || model} (${info.backend}). ${hint}`);
  if (interactive) lines.prompt();
  for await (const line of lines) {
    const said = line.trim();
    if (said === "/exit") break;
    if (said === "/new") turns.length = 0;
    else if (said.startsWith("/")) output.write(hint);
    else if (said !== "") {
      turns.push({ role: "user", content: said });
      interrupted = false;
      running = startAnswer(engine, options, turns, (text) => output.write(text));
      try {
        const answer = await running.done;
        turns.push({ role: "assistant", content: answer.text });
        output.write("\n");
        if (options.json) output.write(`${answerJson(answer, info, model)}\n`);
      } catch (error) {
        turns.pop();
        // A person can go on; a script must learn that its line failed.
        if (!interactive) throw error;
        output.write(`\nError: ${toWire(error).message}\n`);
      } finally {
        running = null;
      }
    }
    if (interactive) lines.prompt();
  }
  lines.close();
}
