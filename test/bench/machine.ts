/** What a table of numbers must say about where it comes from: processor, memory, date, versions. No host names. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, totalmem } from "node:os";
import { join } from "node:path";
import { repositoryRoot } from "../../build/vite.destination.ts";

export interface Surroundings {
  readonly date: string;
  readonly machine: string;
  readonly conclave: string;
}

function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync("git", args, { cwd: repositoryRoot, encoding: "utf8" }).trim();
  const changed = git("status", "--porcelain", "--untracked-files=no", "native").length > 0;
  return `${git("rev-parse", "--short", "HEAD")}${changed ? " with local changes" : ""}`;
}

export function surroundings(): Surroundings {
  const { version } = JSON.parse(readFileSync(join(repositoryRoot, "package.json"), "utf8")) as { version: string };
  const memory = (totalmem() / 2 ** 30).toFixed(0);
  return {
    date: new Date().toISOString().slice(0, 16).replace("T", " "),
    machine: `${cpus()[0]?.model.trim() ?? process.arch}, ${availableParallelism()} logical cores, ${memory} GiB, ${process.platform}`,
    conclave: `${version} (${commit()})`,
  };
}

/** A Markdown table; the first row is the head. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows;
  return [head, head.map((_, i) => (i === 0 ? "---" : "--:")), ...body]
    .map((row) => `| ${row.join(" | ")} |`)
    .join("\n");
}
