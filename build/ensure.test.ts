import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { nodeComplaint, pinnedNode, staleReason } from "./ensure.mjs";
import { repositoryRoot } from "./vite.destination.ts";

describe("the Node that starts a script", () => {
  it.each(["20.20.0", "20.21.3", "22.0.0", "24.21.0"])("%s will do", (version) => {
    expect(nodeComplaint(version)).toBeNull();
  });

  it.each(["18.19.1", "20.19.5", "8.0.0"])("%s is refused in one sentence", (version) => {
    expect(nodeComplaint(version)).toMatch(/^[^.]*need Node 20\.20 or newer.* this is Node \d+\.\d+\.\d+; [^;]+\.$/);
  });
});

describe("an installation is stale", () => {
  const wanted = {
    "": { version: "0.1.0" },
    "node_modules/a": { version: "1.0.0", integrity: "sha512-a" },
    "node_modules/a/node_modules/@s/b": { version: "2.0.0", integrity: "sha512-b" },
    "node_modules/other-system": { version: "3.0.0", optional: true },
  };
  const { "": _root, "node_modules/other-system": _other, ...installed } = wanted;

  it("not when only packages for other systems are absent", () => {
    expect(staleReason(wanted, installed)).toBeNull();
  });

  it("when a package is missing", () => {
    expect(staleReason(wanted, { "node_modules/a": wanted["node_modules/a"] })).toBe("@s/b 2.0.0 is missing");
  });

  it("when a version differs", () => {
    const other = { ...installed, "node_modules/a": { version: "1.0.1" } };
    expect(staleReason(wanted, other)).toBe("a is 1.0.1 instead of 1.0.0");
  });

  it("when an optional package is there in another version", () => {
    const other = { ...installed, "node_modules/other-system": { version: "2.9.0" } };
    expect(staleReason(wanted, other)).toBe("other-system is 2.9.0 instead of 3.0.0");
  });

  it("when the content differs under the same version", () => {
    const other = { ...installed, "node_modules/a": { version: "1.0.0", integrity: "sha512-x" } };
    expect(staleReason(wanted, other)).toBe("a 1.0.0 has other content than the lockfile names");
  });
});

describe("the lockfile", () => {
  const packages = z
    .object({ packages: z.record(z.string(), z.looseObject({ resolved: z.string().optional() })) })
    .parse(JSON.parse(readFileSync(join(repositoryRoot, "package-lock.json"), "utf8"))).packages;

  it("names no hosts, so that it installs from any registry", () => {
    expect(Object.entries(packages).filter(([, entry]) => entry.resolved !== undefined)).toEqual([]);
  });

  it("holds every optional dependency, without which npm ci refuses to run", () => {
    const names = new Set(Object.keys(packages).map((path) => path.slice(path.lastIndexOf("node_modules/") + 13)));
    const optional = z.looseObject({ optionalDependencies: z.record(z.string(), z.string()).default({}) });
    const wanted = Object.values(packages).flatMap((entry) => Object.keys(optional.parse(entry).optionalDependencies));
    expect(wanted.filter((name) => !names.has(name))).toEqual([]);
  });
});

it("the pinned Node is installed and is the one that runs the tests", () => {
  expect(existsSync(pinnedNode(repositoryRoot))).toBe(true);
  expect(process.versions.node).toMatch(/^24\./);
});
