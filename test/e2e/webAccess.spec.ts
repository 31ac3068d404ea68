// Who may talk to the web entry: loopback is no boundary, so every request must prove that it comes from our page.
import { request as httpRequest } from "node:http";
import type { Page } from "@playwright/test";
import { WebSocket } from "ws";
import { expect, test } from "./conclaveApp.ts";

/** Status of a raw request; `fetch` would not let a test lie about Host and Origin. */
function statusOf(origin: string, headers: Record<string, string>, path = "/", method = "GET"): Promise<number> {
  const { port } = new URL(origin);
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({ host: "127.0.0.1", port, path, method, headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    outgoing.on("error", reject);
    outgoing.end();
  });
}

function socketStatus(origin: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`${origin.replace("http", "ws")}/socket`, { headers });
    socket.on("open", () => {
      socket.close();
      resolve(101);
    });
    socket.on("unexpected-response", (_request, response) => resolve(response.statusCode ?? 0));
    socket.on("error", () => undefined);
  });
}

async function cookieOf(page: Page): Promise<string> {
  return (await page.context().cookies()).map(({ name, value }) => `${name}=${value}`).join("; ");
}

test("without the session there is no page, and a wrong token gives none", async ({ conclaveApp: { running } }) => {
  const { origin } = running;
  expect(await statusOf(origin, {})).toBe(403);
  expect(await statusOf(origin, {}, "/?token=wrong")).toBe(403);
  expect(await statusOf(origin, { cookie: "conclave_1=wrong" })).toBe(403);
});

test("the session cookie is for this site only, and out of a script's reach", async ({ conclaveApp: { page } }) => {
  const [cookie] = await page.context().cookies();
  expect(cookie).toMatchObject({ httpOnly: true, sameSite: "Strict" });
  expect(await page.evaluate(() => document.cookie)).toBe("");
  expect(page.url()).not.toContain("token");
});

test("another host name or origin is refused, session or not", async ({ conclaveApp: { page, running } }) => {
  const { origin } = running;
  const cookie = await cookieOf(page);
  const { host, port } = new URL(origin);
  expect(await statusOf(origin, { host, cookie })).toBe(200);
  expect(await statusOf(origin, { host: `evil.example:${port}`, cookie })).toBe(403);
  expect(await statusOf(origin, { host: `localhost:${port}`, cookie })).toBe(403);
  expect(await statusOf(origin, { host, cookie, origin: "https://evil.example" })).toBe(403);
  expect(await statusOf(origin, { host, cookie, origin: "null" })).toBe(403);
  expect(await statusOf(origin, { host, cookie, origin }, "/", "POST")).toBe(405);
});

test("the socket wants host, origin and session, all three", async ({ conclaveApp: { page, running } }) => {
  const { origin } = running;
  const cookie = await cookieOf(page);
  const { port } = new URL(origin);
  expect(await socketStatus(origin, { cookie, origin })).toBe(101);
  expect(await socketStatus(origin, { cookie })).toBe(403);
  expect(await socketStatus(origin, { origin })).toBe(403);
  expect(await socketStatus(origin, { cookie, origin: "https://evil.example" })).toBe(403);
  expect(await socketStatus(origin, { cookie, origin, host: `evil.example:${port}` })).toBe(403);
});

test("files outside the renderer's folder do not exist", async ({ conclaveApp: { page, running } }) => {
  const cookie = await cookieOf(page);
  for (const path of ["/../web.js", "/%2e%2e/web.js", "/..%2fweb.js", "/assets/..%5c..%5cweb.js", "/.env"]) {
    expect(await statusOf(running.origin, { cookie }, path), path).toBe(404);
  }
});
