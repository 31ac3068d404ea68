// The contract over a WebSocket: frames {id, service, call, input} -> {id, ok, value | error}, and events
// {service, event, payload} to everyone. A page that reads too slowly loses frequent events first (their offsets show the
// gap, and getMessages has the whole), then its connection.
import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { z } from "zod";
import type { App } from "../app/createApp.ts";
import { createRateLimit, rateLimitSentence } from "../app/rateLimit.ts";
import { decodeFrame, encodeFrame } from "../contract/codec.ts";
import { eventChannel } from "../contract/ipc.ts";
import type { Access } from "./access.ts";

export const socketPath = "/socket";
/** Room for the longest message, escaped. */
const maxFrameBytes = 16 * 1024 * 1024;
const slowBytes = 1024 * 1024;
const hopelessBytes = 64 * 1024 * 1024;
const pingEveryMs = 30_000;

/** Events that a later one makes good. */
const frequent: ReadonlySet<string> = new Set([
  eventChannel("chat", "prefillProgress"),
  eventChannel("chat", "tokensArrived"),
  eventChannel("experts", "traceArrived"),
  eventChannel("engine", "statusChanged"),
]);

const requestSchema = z.object({
  id: z.number().int().nonnegative(),
  service: z.string().max(50),
  call: z.string().max(50),
  input: z.unknown(),
});

export interface SocketServer {
  /** How many pages are connected. */
  connections(): number;
  close(): void;
}

export function serveSocket(server: Server, app: Pick<App, "dispatch" | "subscribe">, access: Access): SocketServer {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: maxFrameBytes, perMessageDeflate: false });

  server.on("upgrade", (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    const allowed = access.hasOwnHost(request) && access.hasOwnOrigin(request, true) && access.hasSession(request);
    if (!allowed) return refuse(stream, 403, "Forbidden");
    if (request.url !== socketPath) return refuse(stream, 404, "Not Found");
    sockets.handleUpgrade(request, stream, head, (socket) => serveOne(socket, app));
  });

  const unsubscribe = app.subscribe(({ service, event, payload }) => {
    if (sockets.clients.size === 0) return;
    const droppable = frequent.has(eventChannel(service, event));
    const frame = encodeFrame({ service, event, payload });
    for (const socket of sockets.clients) send(socket, frame, droppable);
  });

  const pinger = setInterval(() => {
    for (const socket of sockets.clients) {
      if (waiting.has(socket)) socket.terminate();
      else socket.ping();
      waiting.add(socket);
    }
  }, pingEveryMs);

  return {
    connections: () => sockets.clients.size,
    close() {
      unsubscribe();
      clearInterval(pinger);
      for (const socket of sockets.clients) socket.close(1001, "Conclave is closing");
      sockets.close();
    },
  };
}

/** Sockets that have not answered the last ping. */
const waiting = new WeakSet<WebSocket>();

function serveOne(socket: WebSocket, app: Pick<App, "dispatch">): void {
  const limit = createRateLimit();
  socket.on("pong", () => waiting.delete(socket));
  // An error is always followed by 'close', and the page connects again by itself.
  socket.on("error", () => socket.terminate());
  socket.on("message", (data, isBinary) => {
    const request = isBinary ? undefined : readRequest(String(data));
    if (request === undefined) return socket.close(1008, "Not a frame of this contract");
    const { id, service, call, input } = request;
    if (!limit.take()) {
      send(socket, encodeFrame({ id, ok: false, error: { code: "conflict", message: rateLimitSentence } }), false);
      return;
    }
    void app.dispatch(service, call, input).then((result) => send(socket, encodeFrame({ id, ...result }), false));
  });
}

function readRequest(text: string): z.infer<typeof requestSchema> | undefined {
  try {
    return requestSchema.safeParse(decodeFrame(text)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function send(socket: WebSocket, frame: string, droppable: boolean): void {
  if (socket.readyState !== socket.OPEN) return;
  if (droppable && socket.bufferedAmount > slowBytes) return;
  if (socket.bufferedAmount > hopelessBytes) return socket.terminate();
  socket.send(frame);
}

function refuse(stream: Duplex, status: number, reason: string): void {
  stream.end(`HTTP/1.1 ${status} ${reason}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
