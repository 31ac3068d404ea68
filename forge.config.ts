// How the desktop app is packaged: what goes in (build/shippedFiles.ts), the fuses, and the makers that need no other
// tool. Forge is the only tool that packages, flips fuses and signs; electron-builder only wraps the packaged folder into
// the other installers (build/electronBuilder.config.ts).
import { MakerDeb } from "@electron-forge/maker-deb";
import { MakerZIP } from "@electron-forge/maker-zip";
import { FusesPlugin } from "@electron-forge/plugin-fuses";
import { VitePlugin } from "@electron-forge/plugin-vite";
import type { ForgeConfig } from "@electron-forge/shared-types";
import { fuses } from "./build/fuses.ts";
import { isShipped, stagedModels, stageModels, unpackedFromAsar } from "./build/shippedFiles.ts";

const platform = process.env["npm_config_platform"] ?? process.platform;
const arch = process.env["npm_config_arch"] ?? process.arch;

const config: ForgeConfig = {
  outDir: "out/package",
  packagerConfig: {
    name: "Conclave",
    executableName: "conclave",
    appBundleId: "app.conclave.desktop",
    appCategoryType: "public.app-category.productivity",
    icon: "build/icons/icon",
    asar: { unpack: unpackedFromAsar },
    // The list of what ships is explicit, so there is nothing left to prune.
    prune: false,
    ignore: (path) => !isShipped(path.replace(/^\//, ""), `${platform}-${arch}`),
    extraResource: [stagedModels],
  },
  // All native code is Node-API: one binary serves Node and Electron, and nothing is rebuilt for Electron's headers.
  rebuildConfig: { onlyModules: [] },
  hooks: {
    prePackage: async () => stageModels(import.meta.dirname),
  },
  makers: [
    new MakerDeb({
      options: {
        name: "conclave",
        bin: "conclave",
        productName: "Conclave",
        icon: "build/icons/icon.png",
        categories: ["Utility"],
        section: "utils",
      },
    }),
    new MakerZIP({}),
  ],
  plugins: [
    new VitePlugin({
      build: [
        { entry: "electron/main/main.ts", config: "build/vite.main.config.ts", target: "main" },
        { entry: "electron/preload/preload.ts", config: "build/vite.preload.config.ts", target: "preload" },
      ],
      renderer: [{ name: "main_window", config: "build/vite.renderer.config.ts" }],
    }),
    new FusesPlugin(fuses(process.env)),
  ],
};

export default config;
