// Starting other programs from build scripts. Owns how their output is routed and how their end is reported; knows
// nothing of what they do.
import { spawn, type StdioOptions } from "node:child_process";
import { join } from "node:path";
import { repositoryRoot } from "./vite.destination.ts";

export interface Ended {
  /** Exit status; 128 + n when signal n ended it, 127 when it could not be started. */
  readonly status: number;
  /** One plain sentence when it could not be started or ran out of time. */
  readonly complaint?: string;
}

export interface RunOptions {
  readonly stdio?: StdioOptions;
  readonly env?: NodeJS.ProcessEnv;
  /** Kill it after so many milliseconds. */
  readonly timeout?: number;
}

/** stdout of the child joins our stderr: for builds inside commands whose stdout belongs to the user. */
export const toStderr: StdioOptions = ["ignore", 2, 2];

const signalNumbers: Partial<Record<NodeJS.Signals, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGTERM: 15,
};

/** Runs a program in the repository root to its end. SIGTERM and SIGHUP are passed on; Ctrl-C reaches it by itself. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: repositoryRoot,
      stdio: options.stdio ?? "inherit",
      env: options.env ?? process.env,
    });
    let complaint: string | undefined;
    const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
    const ignore = (): void => undefined;
    process.on("SIGTERM", pass).on("SIGHUP", pass).on("SIGINT", ignore);
    const timer =
      options.timeout === undefined
        ? undefined
        : setTimeout(() => {
            complaint = `${command} was stopped after ${Math.round((options.timeout ?? 0) / 1000)} s`;
            child.kill("SIGKILL");
          }, options.timeout);
    const end = (ended: Ended): void => {
      clearTimeout(timer);
      process.off("SIGTERM", pass).off("SIGHUP", pass).off("SIGINT", ignore);
      resolve(ended);
    };
    child.on("error", (error) => end({ status: 127, complaint: `${command} could not be started: ${error.message}` }));
    child.on("close", (code, signal) => {
      const status = code ?? 128 + (signal === null ? 0 : (signalNumbers[signal] ?? 0));
      end(complaint === undefined ? { status } : { status, complaint });
    });
  });
}

/** Arguments that run a program from node_modules on this same Node, whatever the system's shell thinks of shebangs. */
export function tool(relativeToModules: string): string {
  return join(repositoryRoot, "node_modules", relativeToModules);
}
