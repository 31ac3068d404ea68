/**
 * One measurement of Conclave or of the peer on one file, each in a fresh process that loads, warms up, measures and ends,
 * so that neither side keeps memory, threads or a warm cache that the other has not.
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { repositoryRoot } from "../../build/vite.destination.ts";
import { peerFolder } from "./peerInstall.ts";

export interface Load {
  readonly path: string;
  /** Tokens to prefill, then tokens to decode one at a time. */
  readonly prompt: number;
  readonly decode: number;
  readonly threads: number;
}

const conclaveReport = z.object({
  prefill_tps: z.number(),
  decode_tps: z.number(),
  bytes_per_pass: z.number(),
  gb_per_s: z.number(),
  stream_gb_per_s: z.number(),
  mapped_gb_per_s: z.number(),
});
export type ConclaveSpeed = z.infer<typeof conclaveReport>;

const peerReport = z.object({
  prefill_tps: z.number(),
  decode_tps: z.number(),
  release: z.string(),
  rss_bytes: z.number(),
});
export type PeerSpeed = z.infer<typeof peerReport>;

const suffix = process.platform === "win32" ? ".exe" : "";
export const conclaveProgram = join(repositoryRoot, "out", "native", `conclave${suffix}`);

/** The JSON object in the last line that a program prints. */
async function lastLine(program: string, args: readonly (string | number)[]): Promise<unknown> {
  const { stdout } = await promisify(execFile)(program, args.map(String), { maxBuffer: 64 << 20 });
  const line = stdout.trimEnd().split("\n").at(-1) ?? "";
  return JSON.parse(line) as unknown;
}

export async function measureConclave({ path, prompt, decode, threads }: Load): Promise<ConclaveSpeed> {
  const args = ["bench", path, "-p", prompt, "-n", decode, "-t", threads, "--repeat", 1, "--json"];
  return conclaveReport.parse(await lastLine(conclaveProgram, args));
}

export async function measurePeer({ path, prompt, decode, threads }: Load): Promise<PeerSpeed> {
  const args = [join(peerFolder, "measure.mjs"), path, prompt, decode, threads];
  return peerReport.parse(await lastLine(process.execPath, args));
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const low = sorted[Math.floor((sorted.length - 1) / 2)];
  const high = sorted[Math.floor(sorted.length / 2)];
  if (low === undefined || high === undefined) throw new RangeError("no values have no median");
  return (low + high) / 2;
}
