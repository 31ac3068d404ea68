// The renderer: React and Tailwind, served from app://bundle/ or from the web entry, so every address in it is relative.
// Nothing is inlined as data: URLs, which the content security policy would refuse.
import { join } from "node:path";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { productFolder, repositoryRoot } from "./vite.destination.ts";

export default defineConfig({
  root: join(repositoryRoot, "renderer"),
  base: "./",
  plugins: [react(), tailwindcss()],
  // Workers read their languages piece by piece, which only modules can.
  worker: { format: "es" },
  build: {
    outDir: join(productFolder(), "renderer"),
    emptyOutDir: true,
    target: "chrome140",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 2000,
    rolldownOptions: { input: join(repositoryRoot, "renderer/index.html") },
  },
});
