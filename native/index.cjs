// Finds and loads the native engine: beside the sources in development (out/native), in the resources folder when packaged.
// The .node file cannot be loaded from inside an asar archive, so it ships unpacked. CommonJS, because `require` is the only
// way to load an addon that Node and Electron share.
"use strict";
const { existsSync } = require("node:fs");
const { join } = require("node:path");

const name = "conclave.node";

/** Places where the engine may lie, best first. `resourcesPath` exists only in Electron. */
function places() {
  const development = join(__dirname, "..", "out", "native", name);
  const resources = process.resourcesPath;
  if (typeof resources !== "string") return [development];
  return [
    join(resources, name),
    join(resources, "app.asar.unpacked", "out", "native", name),
    // Electron's own resources folder when it runs the sources: the development place is on disk, not in an archive.
    ...(development.includes(".asar") ? [] : [development]),
  ];
}

function load() {
  const candidates = places();
  const path = candidates.find((candidate) => existsSync(candidate));
  if (path === undefined) {
    const error = new Error(
      `The native engine is missing (looked for ${candidates.join(" and ")}); run "npm run build", or install the app again.`,
    );
    error.code = "io";
    throw error;
  }
  try {
    return require(path);
  } catch (cause) {
    const error = new Error(
      `The native engine at ${path} could not be loaded (${cause.message}); run "npm run build", or install the app that fits this computer.`,
      { cause },
    );
    error.code = "unsupported";
    throw error;
  }
}

module.exports = load();
