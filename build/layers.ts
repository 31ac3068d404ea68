// The layer check of `npm run check`: reads every import and #include of the repository and compares it with
// build/layerRules.ts. Owns the reading and the judging, not the rules.
import { existsSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { inputFiles } from "./fingerprint.ts";
import {
  forbiddenWords,
  guardedPackages,
  nativeZones,
  nodeHeaders,
  typescriptZones,
  withoutNode,
  type Zone,
} from "./layerRules.ts";
import { repositoryRoot } from "./vite.destination.ts";

export interface Violation {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

const typescriptFile = /\.(?:ts|tsx|mts|mjs)$/;
const nativeFile = /\.(?:cpp|h|c|cu|cuh|mm|metal)$/;
const testFile = /\.test\.tsx?$/;

/** Blanks comments, keeping line breaks and the insides of strings, so that prose about an import is not one. */
export function withoutComments(source: string): string {
  const tokens = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
  return source.replace(tokens, (token) =>
    token.startsWith("//") || token.startsWith("/*") ? token.replace(/[^\n]/g, " ") : token,
  );
}

interface Reference {
  readonly target: string;
  readonly line: number;
}

function references(source: string, pattern: RegExp): Reference[] {
  return [...source.matchAll(pattern)].map((match) => ({
    target: match[1] ?? "",
    line: source.slice(0, match.index + match[0].length).split("\n").length,
  }));
}

const importPattern =
  /(?:\bfrom\s*|\bimport\s*\(\s*|\bimport\s+|\brequire\s*\(\s*|\brequire\.resolve\s*\(\s*)["']([^"']+)["']/g;
// Keeps the opening delimiter: <...> is never one of our files.
const includePattern = /^[ \t]*#[ \t]*(?:include|import)[ \t]*([<"][^>"]+)[>"]/gm;

/** Whether a file is that file, lies below that folder, or lies in the folder and fits a last part like `*word*`. */
function isIn(file: string, path: string): boolean {
  const [folder = "", word] = path.split("*");
  if (word === undefined) return file === path || file.startsWith(`${path}/`);
  return file.startsWith(folder) && file.slice(folder.length).includes(word);
}

function zoneOf(file: string, zones: readonly Zone[]): Zone | undefined {
  return zones
    .filter(({ path }) => isIn(file, path))
    .reduce<Zone | undefined>((best, zone) => (best && best.path.length > zone.path.length ? best : zone), undefined);
}

/** A grant that names a zone covers that zone's files, not those of zones inside it; any other covers a path prefix. */
function grants(grant: string, target: string, targetZone: Zone | undefined, zones: readonly Zone[]): boolean {
  return zones.some(({ path }) => path === grant) ? targetZone?.path === grant : isIn(target, grant);
}

function edgeViolation(file: string, target: string, zones: readonly Zone[]): string | null {
  const from = zoneOf(file, zones);
  const to = zoneOf(target, zones);
  if (from === undefined || from === to) return null;
  if (testFile.test(file) && isIn(target, "test")) return null;
  if (from.mayImport.some((grant) => grants(grant, target, to, zones))) return null;
  const allowed = from.mayImport.length === 0 ? "nothing of ours" : from.mayImport.join(", ");
  return `${from.path} must not import ${target}; it may import ${allowed}`;
}

function packageViolation(file: string, specifier: string): string | null {
  if (specifier.startsWith("node:") && withoutNode.some((zone) => isIn(file, zone)) && !testFile.test(file)) {
    return `${file} runs outside Node and must not import ${specifier}`;
  }
  const inProduct = isIn(file, "electron") || isIn(file, "renderer");
  const guard = guardedPackages.find(({ name }) => specifier === name || specifier.startsWith(`${name}/`));
  if (!inProduct || guard === undefined || guard.onlyIn.some((path) => isIn(file, path))) return null;
  return `only ${guard.onlyIn.join(", ")} may import ${guard.name}`;
}

function judgeTypescript(file: string, code: string): Violation[] {
  return references(code, importPattern).flatMap(({ target, line }) => {
    const message = target.startsWith(".")
      ? edgeViolation(file, posix.join(posix.dirname(file), target), typescriptZones)
      : packageViolation(file, target);
    return message === null ? [] : [{ file, line, message }];
  });
}

function judgeNative(file: string, code: string, exists: (path: string) => boolean): Violation[] {
  return references(code, includePattern).flatMap(({ target: delimited, line }) => {
    const target = delimited.slice(1);
    const candidates = [posix.join("native", target), posix.join(posix.dirname(file), target)];
    const ours = delimited.startsWith('"') ? candidates.find((path) => exists(path)) : undefined;
    let message: string | null = null;
    if (ours !== undefined) message = edgeViolation(file, ours, nativeZones);
    else if (nodeHeaders.test(target) && !isIn(file, "native/addon"))
      message = `only native/addon may include ${target}`;
    return message === null ? [] : [{ file, line, message }];
  });
}

function judgeWords(file: string, code: string): Violation[] {
  return forbiddenWords
    .filter(({ zone, except }) => isIn(file, zone) && !except.some((path) => isIn(file, path)) && !testFile.test(file))
    .flatMap(({ word, why }) => {
      const match = word.exec(code);
      return match === null ? [] : [{ file, line: code.slice(0, match.index).split("\n").length, message: why }];
    });
}

/**
 * Judges one file.
 * @param file path from the root, `/`-separated. @param exists whether such a path is a file of the repository.
 */
export function judge(file: string, source: string, exists: (path: string) => boolean): Violation[] {
  const code = withoutComments(source);
  const edges = nativeFile.test(file) ? judgeNative(file, code, exists) : judgeTypescript(file, code);
  return [...edges, ...judgeWords(file, code)];
}

/** Judges the whole repository. */
export function checkLayers(root: string = repositoryRoot): Violation[] {
  const exists = (path: string): boolean => existsSync(join(root, path));
  const files = inputFiles(root, ["electron", "renderer", "native", "build"], (path) => {
    // The check's own test is full of planted violations.
    if (path === "build/layers.test.ts") return false;
    return path.startsWith("native/") ? nativeFile.test(path) : typescriptFile.test(path);
  });
  return files.flatMap((file) => judge(file, readFileSync(join(root, file), "utf8"), exists));
}

export function describeViolation({ file, line, message }: Violation): string {
  return `${file}:${line}: ${message}`;
}
