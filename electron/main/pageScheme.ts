// app://bundle/: the built renderer, served from disk with the page's security headers. There is no file: page.
import { readFile } from "node:fs/promises";
import { protocol } from "electron";
import { pageHeaders } from "../app/pageSecurity.ts";
import { findRendererFile } from "../app/rendererFiles.ts";
import { pageOrigin, pageScheme } from "./pageOrigin.ts";

/** Must run before app's 'ready'. */
export function registerPageScheme(): void {
  protocol.registerSchemesAsPrivileged([
    { scheme: pageScheme, privileges: { standard: true, secure: true, supportFetchAPI: true } },
  ]);
}

export function servePage(rendererFolder: string, onError: (error: unknown) => void): void {
  protocol.handle(pageScheme, async (request) => {
    try {
      return await answer(request, rendererFolder);
    } catch (error) {
      onError(error);
      return say(500, "This file could not be read.");
    }
  });
}

async function answer(request: Request, rendererFolder: string): Promise<Response> {
  const { origin, host, protocol: scheme, pathname } = new URL(request.url);
  // Node's URL knows no origin for app:, Electron's does.
  const isOurs = origin === pageOrigin || `${scheme}//${host}` === pageOrigin;
  if (!isOurs || request.method !== "GET") return say(403, "Not here.");
  const file = await findRendererFile(rendererFolder, pathname);
  if (file === undefined) return say(404, "There is no such file.");
  const body = new Uint8Array(await readFile(file.path));
  return new Response(body, { headers: { ...pageHeaders(), "Content-Type": file.mime } });
}

function say(status: number, sentence: string): Response {
  return new Response(sentence, { status, headers: { ...pageHeaders(), "Content-Type": "text/plain; charset=utf-8" } });
}
