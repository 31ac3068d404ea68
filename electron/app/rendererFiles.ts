// The built renderer as URL path -> file, for both entries. Only plain files inside the folder and of known types are
// served; a path that leaves it, by dots, encoding or a symbolic link, names nothing.
import { realpath, stat } from "node:fs/promises";
import { extname, join, sep } from "node:path";

const mimeTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  // Character maps of pdf.js.
  ".bcmap": "application/octet-stream",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".woff2": "font/woff2",
  ".woff": "font/woff",
  ".ttf": "font/ttf",
  ".txt": "text/plain; charset=utf-8",
  ".wasm": "application/wasm",
};

export interface RendererFile {
  readonly path: string;
  readonly mime: string;
  readonly bytes: number;
  /** True when the name holds a hash of the content, so that it may be cached for good. */
  readonly immutable: boolean;
}

/** @param urlPath as in the URL, percent-encoded; "/" is index.html. @returns undefined when there is no such file. */
export async function findRendererFile(folder: string, urlPath: string): Promise<RendererFile | undefined> {
  const name = safeName(urlPath);
  const mime = name === undefined ? undefined : mimeTypes[extname(name)];
  if (name === undefined || mime === undefined) return undefined;
  try {
    const root = await realpath(folder);
    const path = await realpath(join(root, name));
    if (!path.startsWith(root + sep)) return undefined;
    const facts = await stat(path);
    return facts.isFile() ? { path, mime, bytes: facts.size, immutable: name.startsWith("assets/") } : undefined;
  } catch (error) {
    if (
      error instanceof Error &&
      "code" in error &&
      ["ENOENT", "ENOTDIR", "ENAMETOOLONG"].includes(String(error.code))
    ) {
      return undefined;
    }
    throw error;
  }
}

/** Relative path with "/" between plain names, or undefined. */
function safeName(urlPath: string): string | undefined {
  let decoded: string;
  try {
    decoded = decodeURIComponent(urlPath);
  } catch {
    return undefined;
  }
  if (decoded === "/") return "index.html";
  const names = decoded.slice(1).split("/");
  const plain = names.every((name) => /^[\w@+.-][\w@+. -]*$/.test(name) && !name.startsWith("."));
  return decoded.startsWith("/") && plain ? names.join("/") : undefined;
}
