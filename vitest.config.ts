// Test projects: everything that runs in Node, and the renderer in jsdom. May assume that the native engine is built
// (build/test.ts does that). It must not let a test reach the real `electron` package: importing it outside Electron
// starts a download, so the name resolves to the typed stand-in.
import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const standIn = fileURLToPath(new URL("./test/electron-double/electron.ts", import.meta.url));
const alias = { electron: standIn };

export default defineConfig({
  test: {
    reporters: ["default"],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    maxWorkers: 2,
    projects: [
      {
        resolve: { alias },
        test: {
          name: "node",
          environment: "node",
          include: [
            "electron/**/*.test.ts",
            "build/**/*.test.ts",
            "test/{addon,bench,integration,electron-double}/**/*.test.ts",
          ],
          pool: "forks",
        },
      },
      {
        plugins: [react()],
        resolve: { alias },
        test: {
          name: "renderer",
          environment: "jsdom",
          include: ["renderer/**/*.test.{ts,tsx}"],
          restoreMocks: true,
        },
      },
    ],
  },
});
