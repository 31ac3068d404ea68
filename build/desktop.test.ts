import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { downloadAddress, electronBinary, noWindowReason, obtainElectron } from "./desktop.ts";

it("a window needs a display on Linux only", () => {
  expect(noWindowReason({ platform: "linux", env: {}, uid: 1000 })).toMatch(/no display/);
  expect(noWindowReason({ platform: "linux", env: { DISPLAY: ":0" }, uid: 1000 })).toBeNull();
  expect(noWindowReason({ platform: "linux", env: { WAYLAND_DISPLAY: "wayland-0" }, uid: 1000 })).toBeNull();
  expect(noWindowReason({ platform: "darwin", env: {}, uid: 501 })).toBeNull();
  expect(noWindowReason({ platform: "win32", env: {}, uid: undefined })).toBeNull();
});

it("the sandbox is never switched off to please root", () => {
  expect(noWindowReason({ platform: "linux", env: { DISPLAY: ":0" }, uid: 0 })).toMatch(/root/);
});

it("a mirror is honoured", () => {
  expect(downloadAddress({})).toBe("https://github.com/electron/electron/releases/");
  expect(downloadAddress({ ELECTRON_MIRROR: "https://mirror.example/" })).toBe("https://mirror.example/");
});

it("a binary somewhere else is found", async () => {
  const folder = mkdtempSync(join(tmpdir(), "conclave-electron-"));
  const env = { ELECTRON_OVERRIDE_DIST_PATH: folder };
  expect(electronBinary(env)).toBeNull();
  writeFileSync(join(folder, "electron"), "");
  const path = electronBinary(env);
  expect(path?.startsWith(folder)).toBe(true);
  await expect(obtainElectron(env)).resolves.toEqual({ path });
  rmSync(folder, { recursive: true });
});

it("a server that never answers is given up, with the reason", async () => {
  const silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const address = silent.address();
  if (address === null || typeof address === "string") throw new Error("the test server has no port");
  const began = performance.now();
  const env = { ELECTRON_MIRROR: `http://127.0.0.1:${address.port}/`, ELECTRON_OVERRIDE_DIST_PATH: "/nowhere" };
  const found = await obtainElectron(env, 500);
  expect(found).toEqual({ reason: expect.stringMatching(/127\.0\.0\.1:\d+ cannot be reached to download it/) });
  expect(performance.now() - began).toBeLessThan(5000);
  silent.close();
});
