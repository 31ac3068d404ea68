// The end-to-end tests: every spec runs on each entry of the app. One worker, because the engine wants the whole machine.
import { fileURLToPath } from "node:url";
import { defineConfig } from "@playwright/test";
import type { EntryOption } from "./conclaveApp.ts";

const desktopOnly = "desktop*.spec.ts";
const webOnly = "web*.spec.ts";

export default defineConfig<EntryOption>({
  testDir: fileURLToPath(new URL(".", import.meta.url)),
  testMatch: "*.spec.ts",
  outputDir: fileURLToPath(new URL("../../out/test/e2e", import.meta.url)),
  workers: 1,
  fullyParallel: false,
  forbidOnly: process.env["CI"] !== undefined,
  timeout: 90_000,
  expect: { timeout: 20_000 },
  reporter: "list",
  projects: [
    { name: "web", use: { entry: "web" }, testIgnore: desktopOnly },
    { name: "electron-double", use: { entry: "electron-double" }, testIgnore: webOnly },
    { name: "electron", use: { entry: "electron" }, testIgnore: webOnly },
  ],
});
