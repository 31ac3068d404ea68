// Keeps a prefix computed: finds it in memory, else reads it from its file, else (if asked to) computes it, and writes the
// file when there is none. Files hold whole pages, so a few tokens at the end of one may be left to compute, which is quick. A file that the engine refuses is deleted and made anew, never used. Runs in the engine process.
import { rmSync, statSync } from "node:fs";
import { pageTokens, type TokenIds, type WarmedPrefix, type WarmRequest } from "./engineApi.ts";

/** What it needs of a loaded model. */
export interface PrefixEngine {
  knownPrefix(tokens: Uint32Array): Promise<number>;
  savePrefix(file: { path: string; modelSha256: string; tokens: Uint32Array }): Promise<number>;
  loadPrefix(file: { path: string; modelSha256: string; tokens: Uint32Array }): Promise<number>;
  /** Computes the prompt and no answer; false: it was cut off. */
  compute(tokens: Uint32Array): Promise<boolean>;
}

/** The tokens that two prompts begin with alike. */
export function commonPrefix(first: Uint32Array, second: Uint32Array): TokenIds {
  const end = first.findIndex((token, index) => token !== second[index]);
  return first.slice(0, end < 0 ? first.length : end);
}

/** All of it, or all whole pages of it. */
export function isKnown(tokens: Uint32Array, known: number): boolean {
  const whole = tokens.length - (tokens.length % pageTokens);
  return tokens.length > 0 && known >= (whole === 0 ? tokens.length : whole);
}

const sentenceOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const codeOf = (error: unknown): unknown => (error instanceof Error && "code" in error ? error.code : undefined);

/** 0: there is none. */
function bytesOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

export async function warmPrefix(engine: PrefixEngine, request: WarmRequest): Promise<WarmedPrefix> {
  const began = performance.now();
  const { tokens, file, modelSha256, compute } = request;
  const place = file === null || tokens.length < pageTokens ? null : { path: file, modelSha256, tokens };
  let source: WarmedPrefix["source"] = isKnown(tokens, await engine.knownPrefix(tokens)) ? "memory" : "none";
  let bytes = place === null ? 0 : bytesOf(place.path);
  let trouble: string | null = null;
  if (source === "none" && place !== null && bytes > 0) {
    try {
      bytes = await engine.loadPrefix(place);
      source = "disk";
    } catch (error) {
      trouble = sentenceOf(error);
      if (codeOf(error) === "bad-file") {
        rmSync(place.path, { force: true });
        bytes = 0;
      }
    }
  }
  if (source === "none" && compute && (await engine.compute(tokens))) source = "computed";
  const ms = performance.now() - began;
  if (source !== "none" && place !== null && bytes === 0) {
    try {
      bytes = await engine.savePrefix(place);
    } catch (error) {
      trouble = sentenceOf(error);
    }
  }
  return { source, bytes, ms, trouble };
}
