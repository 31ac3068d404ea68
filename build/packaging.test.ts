// What packaging would produce, checked without Electron's binary: the configurations, the fuses, and a real asar of the
// files that would ship. Needs the built products, which `npm test` brings up to date first.
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createPackageWithOptions, listPackage } from "@electron/asar";
import { FuseV1Options } from "@electron/fuses";
import { validateConfiguration } from "app-builder-lib/out/util/config/config.js";
import { DebugLogger } from "builder-util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import forgeConfig from "../forge.config.ts";
import builderConfig from "./electronBuilder.config.ts";
import { fuses } from "./fuses.ts";
import { cudaLibrary, isShipped, stagedModels, stageModels, unpackedFromAsar } from "./shippedFiles.ts";
import { repositoryRoot } from "./vite.destination.ts";

const target = `${process.platform}-${process.arch}` as const;
const cudaFile = `out/native/${cudaLibrary(target)}`;

/** What the package's .vite/build holds has the shape of out/app: the same configurations write both. */
const sourceOf = (path: string): string => join(repositoryRoot, path.replace(/^\.vite\/build(?=\/|$)/, "out/app"));

function childrenOf(path: string): string[] {
  if (path === ".vite") return [".vite/build"];
  const names = new Set(readdirSync(sourceOf(path)));
  if (path === "") names.add(".vite");
  return [...names].map((name) => (path === "" ? name : `${path}/${name}`));
}

/** Walks as the packager does: a folder that is not shipped is not entered. */
function shippedFiles(path = ""): string[] {
  return childrenOf(path)
    .filter((child) => isShipped(child, target))
    .flatMap((child) => (child === ".vite" || statSync(sourceOf(child)).isDirectory() ? shippedFiles(child) : [child]));
}

describe("the package", () => {
  const folder = mkdtempSync(join(tmpdir(), "conclave-package-"));
  const archive = join(folder, "app.asar");
  let inArchive: string[] = [];
  let unpacked: string[] = [];

  beforeAll(async () => {
    const staged = join(folder, "app");
    for (const file of shippedFiles()) {
      mkdirSync(dirname(join(staged, file)), { recursive: true });
      cpSync(sourceOf(file), join(staged, file));
    }
    await createPackageWithOptions(staged, archive, { unpack: unpackedFromAsar });
    const entries = listPackage(archive, { isPack: true }).map((line) => line.split(" : "));
    const paths = (state: string): string[] =>
      entries.filter(([kind]) => kind?.trim() === state).map(([, path = ""]) => path.replaceAll("\\", "/").slice(1));
    inArchive = paths("pack");
    unpacked = paths("unpack");
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("holds every entry of the app, the renderer and the database library", () => {
    const manifest: unknown = JSON.parse(readFileSync(join(repositoryRoot, "package.json"), "utf8"));
    expect(inArchive).toEqual(
      expect.arrayContaining([
        (manifest as { main: string }).main,
        ".vite/build/host.js",
        ".vite/build/preload.cjs",
        ".vite/build/renderer/index.html",
        "native/index.cjs",
        "node_modules/better-sqlite3/lib/index.js",
        "LICENSE",
      ]),
    );
  });

  it("keeps native code outside the asar, for this system only", () => {
    const built = existsSync(join(repositoryRoot, cudaFile)) ? [cudaFile] : [];
    const expected = [
      "node_modules/better-sqlite3/prebuilds/" + target + ".node",
      "out/native/conclave.node",
      ...built,
    ];
    expect(unpacked.toSorted()).toEqual(expected);
    for (const file of expected) expect(existsSync(join(`${archive}.unpacked`, file))).toBe(true);
    expect(inArchive.filter((path) => path.endsWith(".node"))).toEqual([]);
  });

  it("takes the CUDA library along where it was built, beside the addon and outside the asar", async () => {
    const [staged, asar] = [join(folder, "with-cuda"), join(folder, "cuda.asar")];
    const files = ["package.json", "out/native/conclave.node", cudaFile];
    for (const file of files) {
      expect(isShipped(file, target)).toBe(true);
      mkdirSync(dirname(join(staged, file)), { recursive: true });
      writeFileSync(join(staged, file), file);
    }
    await createPackageWithOptions(staged, asar, { unpack: unpackedFromAsar });
    for (const file of files.slice(1)) expect(readFileSync(join(`${asar}.unpacked`, file), "utf8")).toBe(file);
    expect(existsSync(join(`${asar}.unpacked`, "package.json"))).toBe(false);
    expect(isShipped("out/native/conclave_cuda.lib", target)).toBe(false);
  });

  it.runIf(process.platform === "linux")("opens that library only where there is a driver", () => {
    const beside = join(folder, "no-driver");
    mkdirSync(beside);
    cpSync(join(repositoryRoot, "out/native/conclave.node"), join(beside, "conclave.node"));
    writeFileSync(join(beside, "libconclave_cuda.so"), "no library at all");
    const script = `require(${JSON.stringify(join(beside, "conclave.node"))})
      .planModel(${JSON.stringify(join(repositoryRoot, "models/default/tiny-Q8_0.gguf"))}, { device: "cuda" })
      .then(({ machine }) => console.log(machine.noCard))`;
    // The loader's own account of what it opens.
    const env = { ...process.env, LD_DEBUG: "files" };
    const { stdout, stderr } = spawnSync(process.execPath, ["-e", script], { encoding: "utf8", env });
    expect(stderr).toContain("conclave.node");
    const hasDriver = !stdout.includes("no NVIDIA driver");
    expect(stderr.includes("libconclave_cuda.so")).toBe(hasDriver);
  });

  it("ships no sources, tests, scripts or source maps", () => {
    const suspects = /\.(?:tsx?|map|cpp|h|o|a)$|^(?:build|test|electron|renderer|docs)(?:\/|$)/;
    expect(inArchive.filter((path) => suspects.test(path))).toEqual([]);
  });

  it("has the embedded model outside the asar", () => {
    expect(inArchive.filter((path) => path.startsWith("models"))).toEqual([]);
    expect(forgeConfig.packagerConfig?.extraResource).toEqual([stagedModels]);
    stageModels(repositoryRoot);
    const staged = readdirSync(join(repositoryRoot, stagedModels), { recursive: true, encoding: "utf8" });
    expect(staged).toContain("default");
    expect(staged.filter((name) => name.endsWith(".gguf"))).not.toEqual([]);
    expect(staged.filter((name) => name.startsWith("train"))).toEqual([]);
  });

  it("has a preload script that a sandboxed renderer can load: one file that requires only electron", () => {
    const source = readFileSync(join(repositoryRoot, "out/app/preload.cjs"), "utf8");
    const required = [...source.matchAll(/\brequire\(\s*["'`]([^"'`]+)["'`]\s*\)/g)].map((match) => match[1]);
    expect(new Set(required)).toEqual(new Set(["electron"]));
  });
});

describe("the fuses", () => {
  it("of a package for users close every way to run other code inside it", () => {
    expect(fuses({})).toMatchObject({
      strictlyRequireAllFuses: true,
      [FuseV1Options.RunAsNode]: false,
      [FuseV1Options.EnableNodeOptionsEnvironmentVariable]: false,
      [FuseV1Options.EnableNodeCliInspectArguments]: false,
      [FuseV1Options.EnableCookieEncryption]: true,
      [FuseV1Options.EnableEmbeddedAsarIntegrityValidation]: true,
      [FuseV1Options.OnlyLoadAppFromAsar]: true,
      [FuseV1Options.LoadBrowserProcessSpecificV8Snapshot]: false,
      [FuseV1Options.GrantFileProtocolExtraPrivileges]: false,
    });
  });

  it("name every fuse this Electron has", () => {
    const known = Object.values(FuseV1Options).filter((value) => typeof value === "number");
    expect(Object.keys(fuses({}))).toEqual(expect.arrayContaining(known.map(String)));
  });

  it("of the test flavour differ in the one that Playwright needs", () => {
    const flavour = fuses({ CONCLAVE_TEST_FLAVOUR: "1" });
    expect(flavour).toEqual({ ...fuses({}), [FuseV1Options.EnableNodeCliInspectArguments]: true });
  });

  it("are set by Forge", () => {
    expect(forgeConfig.plugins).toContainEqual(expect.objectContaining({ name: "fuses", fusesConfig: fuses({}) }));
  });
});

describe("the installers", () => {
  const noLog = new DebugLogger(false);

  it("have a configuration that electron-builder accepts", async () => {
    await expect(validateConfiguration(builderConfig, noLog)).resolves.toBeUndefined();
  });

  it("would not get past that check with a misspelt option", async () => {
    const misspelt: object = { ...builderConfig, linux: { targets: ["AppImage"] } };
    await expect(validateConfiguration(misspelt, noLog)).rejects.toThrow(/configuration\.linux/);
  });

  it("find their icons", () => {
    for (const name of ["icon.png", "icon.ico", "icon.icns"]) {
      expect(statSync(join(repositoryRoot, "build/icons", name)).size).toBeGreaterThan(1000);
    }
  });
});
