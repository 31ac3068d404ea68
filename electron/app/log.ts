// The app's log: one line per event in a file that turns over at 1 MB, three old ones kept. Takes facts (ids, counts,
// codes), never message text; the home folder and anything that looks like a token are blotted out. Logging must not
// hurt the app, so a log that cannot be written goes quiet.
import { appendFileSync, existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

export type LogLevel = "info" | "warning" | "error";
export type LogFacts = Readonly<Record<string, string | number | boolean | null>>;

export interface Log {
  info(event: string, facts?: LogFacts): void;
  warning(event: string, facts?: LogFacts): void;
  error(event: string, facts?: LogFacts): void;
  /** The file that is being written. */
  readonly file: string;
}

export interface LogOptions {
  readonly maxBytes?: number;
  readonly keptFiles?: number;
  readonly now?: () => Date;
  readonly home?: string;
}

const longestFact = 400;

export function createLog(folder: string, options: LogOptions = {}): Log {
  const { maxBytes = 1_000_000, keptFiles = 3, now = () => new Date(), home = homedir() } = options;
  const file = join(folder, "conclave.log");
  let quiet = false;

  function write(level: LogLevel, event: string, facts: LogFacts = {}): void {
    if (quiet) return;
    const fields = Object.entries(facts).map(([key, value]) => `${key}=${JSON.stringify(redact(value, home))}`);
    try {
      mkdirSync(folder, { recursive: true });
      turnOver(file, maxBytes, keptFiles);
      appendFileSync(file, `${[now().toISOString(), level, event, ...fields].join(" ")}\n`, { mode: 0o600 });
    } catch (error) {
      quiet = true;
      process.stderr.write(`The log ${file} cannot be written (${String(error)}); nothing more is logged.\n`);
    }
  }

  return {
    file,
    info: (event, facts) => write("info", event, facts),
    warning: (event, facts) => write("warning", event, facts),
    error: (event, facts) => write("error", event, facts),
  };
}

/** conclave.log -> conclave.log.1 -> ... ; the last one goes. */
function turnOver(file: string, maxBytes: number, keptFiles: number): void {
  if (!existsSync(file) || statSync(file).size < maxBytes) return;
  rmSync(`${file}.${keptFiles}`, { force: true });
  for (let index = keptFiles - 1; index >= 1; index -= 1) {
    if (existsSync(`${file}.${index}`)) renameSync(`${file}.${index}`, `${file}.${index + 1}`);
  }
  renameSync(file, `${file}.1`);
}

/** Home folder -> ~, values of tokens and passwords -> …, long texts cut. */
export function redact(value: string | number | boolean | null, home: string): string | number | boolean | null {
  if (typeof value !== "string") return value;
  const withoutHome = home === "" || home === "/" ? value : value.replaceAll(home, "~");
  const withoutTokens = withoutHome.replaceAll(/(token|cookie|password|secret)(\s*[=:]\s*)[^\s&;]+/gi, "$1$2…");
  return withoutTokens.length > longestFact ? `${withoutTokens.slice(0, longestFact)}…` : withoutTokens;
}
