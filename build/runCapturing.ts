// Runs a program, showing its output as it comes and keeping the last line of it that is not blank. One that does not end
// by itself is killed, so that a deadlock fails a test run instead of stopping it for ever.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { repositoryRoot } from "./vite.destination.ts";

export interface Captured {
  /** Exit status, or the name of the signal that ended it. */
  readonly status: number | string;
  readonly lastLine: string;
}

const longestMilliseconds = 15 * 60_000;

export function runCapturing(command: string, args: readonly string[] = []): Promise<Captured> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: repositoryRoot,
      stdio: ["ignore", "pipe", "inherit"],
      timeout: longestMilliseconds,
      killSignal: "SIGKILL",
    });
    let lastLine = "";
    const lines = createInterface({ input: child.stdout });
    lines.on("line", (line) => {
      console.log(line);
      if (line.trim() !== "") lastLine = line;
    });
    let status: number | string | undefined;
    let drained = false;
    const settle = (): void => {
      if (status !== undefined && drained) resolve({ status, lastLine });
    };
    lines.on("close", () => {
      drained = true;
      settle();
    });
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      status = code ?? signal ?? "unknown";
      settle();
    });
  });
}
