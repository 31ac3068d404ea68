// The web entry over real HTTP and WebSockets: who gets in, what is served, and what frames do.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { type App, createApp } from "../../electron/app/createApp.ts";
import { createLog, type Log } from "../../electron/app/log.ts";
import { decodeFrame, encodeFrame } from "../../electron/contract/codec.ts";
import { readArguments } from "../../electron/web/arguments.ts";
import { startWeb, type WebEntry } from "../../electron/web/startWeb.ts";
import { createScriptedEngine } from "../fixtures/scriptedEngine.ts";

let folder: string;
let app: App;
let web: WebEntry;
let origin: string;
let log: Log;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "conclave-web-"));
  const renderer = join(folder, "renderer");
  mkdirSync(join(renderer, "assets"), { recursive: true });
  writeFileSync(join(renderer, "index.html"), "<!doctype html><title>Page</title>");
  writeFileSync(join(renderer, "assets", "index-abc.js"), "export {};");
  writeFileSync(join(renderer, "assets", "run.sh"), "no known type");
  writeFileSync(join(renderer, ".hidden.html"), "hidden");
  writeFileSync(join(folder, "secret.html"), "secret");
  symlinkSync(join(folder, "secret.html"), join(renderer, "link.html"));
  writeFileSync(join(folder, "tiny-Q8_0.gguf"), "abc");
  log = createLog(join(folder, "logs"));
  app = createApp({
    version: "1.2.3",
    entry: "web",
    dataFolder: join(folder, "data"),
    modelFolders: [folder],
    engine: createScriptedEngine({ answer: ["A ", "fox"], everyMs: 5 }),
    log,
    pickModelFile: async () => null,
    openExternal: async () => false,
  });
  web = await startWeb(app, renderer, 0, log);
  origin = `http://127.0.0.1:${web.port}`;
});
afterEach(async () => {
  await web.close();
  await app.close();
  rmSync(folder, { recursive: true });
});

interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

/** Raw, because fetch normalises paths and owns Host and Origin. */
function ask(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const request = httpRequest({ host: "127.0.0.1", port: web.port, path, method, headers }, (response) => {
    let body = "";
    response.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
    response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
  });
  request.on("error", reject).end();
  return promise;
}

async function enter(): Promise<string> {
  const answer = await ask(web.url.slice(origin.length));
  expect(answer.status).toBe(200);
  const [cookie = ""] = String(answer.headers["set-cookie"]).split(";");
  return cookie;
}

/** @returns the status of a refused upgrade, or the open socket. */
function connect(headers: Record<string, string>, path = "/socket"): Promise<WebSocket | number> {
  const { promise, resolve, reject } = Promise.withResolvers<WebSocket | number>();
  const socket = new WebSocket(`ws://127.0.0.1:${web.port}${path}`, { headers });
  socket.on("open", () => resolve(socket));
  socket.on("unexpected-response", (_request, response) => resolve(response.statusCode ?? 0));
  socket.on("error", reject);
  return promise;
}

async function connected(): Promise<WebSocket> {
  const socket = await connect({ Cookie: await enter(), Origin: origin });
  if (typeof socket === "number") throw new Error(`refused with ${socket}`);
  return socket;
}

describe("access", () => {
  it("exchanges the token once, for a cookie that scripts and other sites cannot use", async () => {
    const path = web.url.slice(origin.length);
    const first = await ask(path);
    expect(String(first.headers["set-cookie"])).toMatch(/^conclave_\d+=[\w-]{43}; HttpOnly; SameSite=Strict; Path=\/$/);
    expect((await ask(path)).status).toBe(403);
    const [cookie = ""] = String(first.headers["set-cookie"]).split(";");
    expect((await ask(path, { Cookie: cookie })).status).toBe(200);
    expect((await ask("/", { Cookie: cookie })).body).toContain("<title>Page</title>");
  });

  it.each([
    ["no cookie", {}],
    ["a made-up cookie", { Cookie: "conclave_1=x" }],
  ])("refuses %s", async (_reason, headers) => {
    expect((await ask("/", headers)).status).toBe(403);
    expect(await connect({ ...headers, Origin: origin })).toBe(403);
  });

  it("refuses another host, as after DNS rebinding, and does not spend the token on it", async () => {
    const path = web.url.slice(origin.length);
    for (const Host of [
      "localhost",
      `localhost:${web.port}`,
      "evil.example",
      `127.0.0.1:${web.port}.evil.example`,
      "127.0.0.1",
    ]) {
      expect((await ask(path, { Host })).status).toBe(403);
    }
    expect((await ask(path)).status).toBe(200);
  });

  it("refuses other origins, and a socket without any", async () => {
    const Cookie = await enter();
    for (const Origin of ["http://evil.example", "null", `http://localhost:${web.port}`, "http://127.0.0.1:1"]) {
      expect((await ask("/", { Cookie, Origin })).status).toBe(403);
      expect(await connect({ Cookie, Origin })).toBe(403);
    }
    expect(await connect({ Cookie })).toBe(403);
    expect(await connect({ Cookie, Origin: origin }, "/other")).toBe(404);
  });

  it("answers only GET and HEAD", async () => {
    const Cookie = await enter();
    expect((await ask("/", { Cookie, Origin: origin }, "POST")).status).toBe(405);
    expect((await ask("/", { Cookie }, "DELETE")).status).toBe(403);
    expect(await ask("/", { Cookie }, "HEAD")).toMatchObject({ status: 200, body: "" });
  });
});

describe("files", () => {
  it("carry the security headers and their type", async () => {
    const Cookie = await enter();
    const page = await ask("/", { Cookie });
    expect(page.headers["content-security-policy"]).toContain("default-src 'none'");
    expect(page.headers["content-security-policy"]).toContain(`connect-src 'self' ws://127.0.0.1:${web.port};`);
    expect(page.headers).toMatchObject({ "x-content-type-options": "nosniff", "cache-control": "no-store" });
    const script = await ask("/assets/index-abc.js", { Cookie });
    expect(script).toMatchObject({ status: 200, body: "export {};" });
    expect(script.headers["content-type"]).toBe("text/javascript; charset=utf-8");
    expect(script.headers["cache-control"]).toContain("immutable");
  });

  it.each([
    "/../secret.html",
    "/%2e%2e/secret.html",
    "/..%2fsecret.html",
    "/assets/../../secret.html",
    "//etc/passwd",
    "/assets\\..\\..\\secret.html",
    "/link.html",
    "/.hidden.html",
    "/assets/",
    "/assets",
    "/assets/run.sh",
    "/%00index.html",
    "/%ff",
    "/nothing.js",
    `/${"a".repeat(5000)}.js`,
  ])("outside the folder, hidden, listed, of unknown type or absent are not there: %s", async (path) => {
    const answer = await ask(path, { Cookie: await enter() });
    expect(answer.status).toBe(404);
    expect(answer.body).not.toContain("secret");
  });
});

describe("socket", () => {
  async function answers(socket: WebSocket, frames: readonly string[]): Promise<unknown[]> {
    const got: unknown[] = [];
    socket.on("message", (data) => got.push(decodeFrame(String(data))));
    for (const frame of frames) socket.send(frame);
    await vi.waitFor(() =>
      expect(got.filter((frame) => (frame as { id?: number }).id !== undefined)).toHaveLength(frames.length),
    );
    return got;
  }

  it("answers each call by its id, errors included", async () => {
    const socket = await connected();
    const got = await answers(socket, [
      encodeFrame({ id: 7, service: "app", call: "getInfo", input: {} }),
      encodeFrame({ id: 8, service: "chat", call: "getMessages", input: { conversationId: "no" } }),
      encodeFrame({ id: 9, service: "chat", call: "constructor", input: {} }),
    ]);
    expect(got).toContainEqual({ id: 7, ok: true, value: expect.objectContaining({ version: "1.2.3", entry: "web" }) });
    expect(got).toContainEqual({ id: 8, ok: false, error: expect.objectContaining({ code: "not-found" }) });
    expect(got).toContainEqual({ id: 9, ok: false, error: expect.objectContaining({ code: "bad-argument" }) });
    socket.close();
  });

  it("tells every page of events, with bytes as bytes", async () => {
    const one = await connected();
    const got: { event?: string; payload?: { chunk?: { experts: Uint8Array } } }[] = [];
    one.on("message", (data) => got.push(decodeFrame(String(data)) as (typeof got)[number]));
    const { id } = await app.handlers.chat.createConversation({});
    await app.handlers.chat.sendMessage({ conversationId: id, parentId: null, text: "Hi" });
    await vi.waitFor(() => expect(got.map((frame) => frame.event)).toContain("runEnded"));
    const trace = got.find((frame) => frame.event === "traceArrived");
    expect(trace?.payload?.chunk?.experts).toBeInstanceOf(Uint8Array);
    one.close();
  });

  it("ends the connection on what is no frame", async () => {
    const Cookie = await enter();
    for (const junk of ["{", "[]", '{"id":"1"}', Buffer.from([0, 1])]) {
      const socket = await connect({ Cookie, Origin: origin });
      if (typeof socket === "number") throw new Error("refused");
      const closed = Promise.withResolvers<number>();
      socket.on("close", closed.resolve);
      socket.send(junk);
      expect(await closed.promise).toBe(1008);
    }
    expect((await ask("/", { Cookie })).status).toBe(200);
  });

  it("slows a page that runs wild without ending it", async () => {
    const socket = await connected();
    const frames = Array.from({ length: 1000 }, (_, id) =>
      encodeFrame({ id, service: "settings", call: "get", input: {} }),
    );
    const got = await answers(socket, frames);
    const refused = got.filter((frame) => (frame as { ok?: boolean }).ok === false);
    expect(refused.length).toBeGreaterThan(100);
    expect(refused[0]).toMatchObject({ error: { message: expect.stringContaining("Too many calls") } });
    socket.close();
  });

  it("goes on with a run whose page has gone, and gives its answer to the next page", async () => {
    const Cookie = await enter();
    const first = await connect({ Cookie, Origin: origin });
    if (typeof first === "number") throw new Error("refused");
    const { id } = await app.handlers.chat.createConversation({});
    first.send(
      encodeFrame({
        id: 1,
        service: "chat",
        call: "sendMessage",
        input: { conversationId: id, parentId: null, text: "Hi" },
      }),
    );
    await vi.waitFor(async () => expect(await app.handlers.chat.getMessages({ conversationId: id })).toHaveLength(2));
    first.terminate();
    await vi.waitFor(async () =>
      expect((await app.handlers.chat.getMessages({ conversationId: id }))[1]).toMatchObject({
        state: "complete",
        parts: [{ text: "A fox" }],
      }),
    );
    const second = await connect({ Cookie, Origin: origin });
    expect(typeof second).toBe("object");
    if (typeof second === "object") second.close();
  });
});

describe("command line", () => {
  it("reads port, folder and form", () => {
    expect(readArguments(["--port", "8123", "--data", "/x", "--print-json"])).toEqual({
      port: 8123,
      data: "/x",
      printJson: true,
      help: false,
    });
  });

  it.each([[["--port", "99999"]], [["--port", "x"]], [["--port="]], [["--nonsense"]], [["stray"]]])(
    "refuses %j in one sentence",
    (args) => expect(() => readArguments(args)).toThrow(expect.objectContaining({ code: "bad-argument" })),
  );

  it("says that a port is taken", async () => {
    await expect(startWeb(app, folder, web.port, log)).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringContaining(`Port ${web.port}`),
    });
  });
});
