// Starts the web entry on 127.0.0.1: server, pages, socket. Knows nothing of the command line.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { App } from "../app/createApp.ts";
import type { Log } from "../app/log.ts";
import { AppError } from "../contract/errors.ts";
import { createAccess } from "./access.ts";
import { createPages } from "./pages.ts";
import { serveSocket } from "./socket.ts";

export interface WebEntry {
  /** With the one-time token. */
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

/**
 * @param port 0: any free one.
 * @throws AppError 'conflict' when the port is taken, 'forbidden' when it may not be used.
 */
export async function startWeb(
  app: Pick<App, "dispatch" | "subscribe">,
  rendererFolder: string,
  port: number,
  log: Log,
): Promise<WebEntry> {
  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000, maxHeaderSize: 16 * 1024 });
  await listen(server, port);
  const used = (server.address() as AddressInfo).port;
  const access = createAccess(used);
  server.on(
    "request",
    createPages(rendererFolder, access, (error) => log.error("request failed", { error: String(error) })),
  );
  const sockets = serveSocket(server, app, access);
  return {
    url: access.url,
    port: used,
    async close() {
      sockets.close();
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      server.closeAllConnections();
      await promise;
    },
  };
}

async function listen(server: ReturnType<typeof createServer>, port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(port, "127.0.0.1", resolve);
  try {
    await promise;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (code === "EADDRINUSE") {
      throw new AppError(
        "conflict",
        `Port ${port} of 127.0.0.1 is taken; choose another with --port, or leave it out for any free one.`,
      );
    }
    if (code === "EACCES") {
      throw new AppError("forbidden", `Port ${port} may not be used by this user; choose one above 1023 with --port.`);
    }
    throw error;
  } finally {
    server.off("error", reject);
  }
}
