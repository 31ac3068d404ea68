// Wraps the folder that Forge packaged into installers: electron-builder --prepackaged. It must not package, rebuild,
// flip fuses or sign the app itself; forge.config.ts does that.
import type { Configuration } from "app-builder-lib";

const config: Configuration = {
  appId: "app.conclave.desktop",
  productName: "Conclave",
  copyright: "Copyright © 2026 The Conclave authors",
  npmRebuild: false,
  publish: null,
  directories: { output: "out/installers", buildResources: "build/icons" },
  linux: { target: ["AppImage"], category: "Utility", icon: "build/icons/icon.png", executableName: "conclave" },
  win: { target: ["nsis"], icon: "build/icons/icon.ico", executableName: "conclave" },
  nsis: { oneClick: false, perMachine: false, allowToChangeInstallationDirectory: true },
  mac: { target: ["dmg"], icon: "build/icons/icon.icns", category: "public.app-category.productivity" },
};

export default config;
