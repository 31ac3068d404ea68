import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isInput } from "./buildAll.ts";
import { withLock } from "./buildLock.ts";
import { fingerprint, inputFiles, Stamp } from "./fingerprint.ts";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "conclave-build-"));
  mkdirSync(join(root, "src", "deep"), { recursive: true });
  writeFileSync(join(root, "src", "b.ts"), "b");
  writeFileSync(join(root, "src", "deep", "a.ts"), "a");
  writeFileSync(join(root, "src", "a.test.ts"), "t");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const hash = (): string => fingerprint(root, inputFiles(root, ["src", "absent"], isInput));

describe("a product is stale", () => {
  it("not because a date or a test changed", () => {
    const before = hash();
    utimesSync(join(root, "src", "b.ts"), 1, 1);
    writeFileSync(join(root, "src", "a.test.ts"), "another test");
    expect(hash()).toBe(before);
    expect(inputFiles(root, ["src"], isInput)).toEqual(["src/b.ts", "src/deep/a.ts"]);
  });

  it.each([
    ["a byte changed", () => writeFileSync(join(root, "src", "b.ts"), "c")],
    ["a file came", () => writeFileSync(join(root, "src", "c.ts"), "")],
    ["a file went", () => rmSync(join(root, "src", "b.ts"))],
    [
      "a byte moved from one file to the next",
      () => {
        writeFileSync(join(root, "src", "b.ts"), "");
        writeFileSync(join(root, "src", "deep", "a.ts"), "ba");
      },
    ],
  ])("because %s", (_reason, change) => {
    const before = hash();
    change();
    expect(hash()).not.toBe(before);
  });

  it("after an interrupted build", () => {
    const stamp = new Stamp(root, "app");
    stamp.set("1");
    expect(stamp.matches("1")).toBe(true);
    stamp.clear();
    expect(stamp.matches("1")).toBe(false);
  });
});

describe("the build lock", () => {
  it("lets one build at a time in", async () => {
    const path = join(root, "out", "build.lock");
    const events: string[] = [];
    const said: string[] = [];
    const build = (name: string): Promise<void> =>
      withLock(
        path,
        (line) => said.push(line),
        async () => {
          events.push(`${name} begins`);
          await new Promise((resolve) => setTimeout(resolve, 50));
          events.push(`${name} ends`);
        },
      );
    await Promise.all([build("first"), build("second")]);
    expect(events).toEqual(["first begins", "first ends", "second begins", "second ends"]);
    expect(said).toHaveLength(1);
  });

  it("is taken over from a process that no longer lives", async () => {
    const path = join(root, "build.lock");
    writeFileSync(path, "4194305");
    await expect(
      withLock(
        path,
        () => undefined,
        async () => "built",
      ),
    ).resolves.toBe("built");
  });

  it("is given back when the build fails", async () => {
    const path = join(root, "build.lock");
    const broken = withLock(
      path,
      () => undefined,
      () => Promise.reject(new Error("no compiler")),
    );
    await expect(broken).rejects.toThrow("no compiler");
    await expect(
      withLock(
        path,
        () => undefined,
        async () => "built",
      ),
    ).resolves.toBe("built");
  });
});
