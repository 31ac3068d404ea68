// HTTP of the web entry: the token exchange and the files of the renderer. GET and HEAD only; no listing, no upload.
import { createReadStream } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream";
import { pageHeaders } from "../app/pageSecurity.ts";
import { findRendererFile } from "../app/rendererFiles.ts";
import type { Access } from "./access.ts";

export type RequestListener = (request: IncomingMessage, response: ServerResponse) => void;

/** @param onError for failures that are not the browser's. */
export function createPages(folder: string, access: Access, onError: (error: unknown) => void): RequestListener {
  const headers = pageHeaders([access.origin.replace("http:", "ws:")]);
  return (request, response) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    answer(request, response, folder, access).catch((error: unknown) => {
      onError(error);
      if (response.headersSent) response.destroy();
      else say(response, 500, "Conclave could not answer this request; its log has the reason.");
    });
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  folder: string,
  access: Access,
): Promise<void> {
  if (!access.hasOwnHost(request)) return say(response, 403, "This address does not belong to Conclave.");
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("Allow", "GET, HEAD");
    return say(response, access.hasOwnOrigin(request, true) ? 405 : 403, "Only GET requests are answered here.");
  }
  if (!access.hasOwnOrigin(request, false)) return say(response, 403, "Another site may not use Conclave.");
  const target = request.url ?? "/";
  const [path = "/", query = ""] = target.split("?", 2);
  const token = new URLSearchParams(query).get("token");
  if (path === "/" && token !== null && request.method === "GET") return exchange(request, response, access, token);
  if (!access.hasSession(request)) {
    return say(
      response,
      403,
      "This page needs the address that Conclave printed at its start; each address works once. Restart Conclave for a new one.",
    );
  }
  await send(request, response, folder, path);
}

/**
 * Answers with a page that goes on to "/" instead of a redirect: a redirect would count as coming from whatever site the
 * link was clicked on, and the strict cookie would not be sent with it.
 */
function exchange(request: IncomingMessage, response: ServerResponse, access: Access, token: string): void {
  const cookie = access.exchange(token);
  if (cookie === null && !access.hasSession(request)) {
    return say(
      response,
      403,
      "This address has been used already, or is not complete; restart Conclave for a new one.",
    );
  }
  if (cookie !== null) response.setHeader("Set-Cookie", cookie);
  response.setHeader("Content-Type", "text/html; charset=utf-8");
  response.setHeader("Cache-Control", "no-store");
  response.end(
    '<!doctype html><html lang="en"><meta http-equiv="refresh" content="0;url=/"><title>Conclave</title></html>',
  );
}

async function send(request: IncomingMessage, response: ServerResponse, folder: string, path: string): Promise<void> {
  const file = await findRendererFile(folder, path);
  if (file === undefined) {
    const unbuilt = path === "/" ? "The user interface is not built yet: run npm run build." : "There is no such file.";
    return say(response, 404, unbuilt);
  }
  response.setHeader("Content-Type", file.mime);
  response.setHeader("Content-Length", file.bytes);
  response.setHeader("Cache-Control", file.immutable ? "private, max-age=31536000, immutable" : "no-store");
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  pipeline(createReadStream(file.path), response, (error) => {
    // A browser that goes away in the middle is no failure.
    if (error && error.code !== "ERR_STREAM_PREMATURE_CLOSE") reject(error);
    else resolve();
  });
  return promise;
}

function say(response: ServerResponse, status: number, sentence: string): void {
  response.statusCode = status;
  response.setHeader("Content-Type", "text/plain; charset=utf-8");
  response.setHeader("Cache-Control", "no-store");
  response.end(`${sentence}\n`);
}
