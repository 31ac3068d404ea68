import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Settings } from "../contract/settings.ts";
import { createScriptedEngine } from "../../test/fixtures/scriptedEngine.ts";
import { createDrafting, type DraftingChoices } from "./drafting.ts";

let folder: string;
let stored: Settings["drafting"];
let drafting: DraftingChoices;
const model = { id: "embedded", path: "/models/tiny.gguf" };
const other = { id: "other", path: "/models/other.gguf" };
const file = (name: string): string => join(folder, name);

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "conclave-drafting-")));
  stored = {};
  drafting = createDrafting({
    engine: createScriptedEngine(),
    shipped: [
      { id: "dflash", modelId: "embedded", files: [file("absent/dflash.gguf"), file("dflash.gguf")] },
      { id: "mdlm", modelId: "embedded", files: [file("mdlm.gguf")] },
    ],
    preferences: () => ({ drafting: stored }),
    change: (values) => {
      stored = values.drafting;
    },
  });
});
afterEach(() => rmSync(folder, { recursive: true }));

it("offers no drafter that is not there, and drafts from the conversation alone", async () => {
  expect(await drafting.state(model)).toEqual({ mode: "auto", length: 4, drafter: null, drafters: [], trouble: null });
  expect(await drafting.fileFor(model)).toBeNull();
  expect(drafting.draftFor("embedded")).toEqual({ mode: "auto", length: 0 });
});

it("takes the first drafter that ships for the model until another is chosen", async () => {
  writeFileSync(file("mdlm.gguf"), "");
  writeFileSync(file("dflash.gguf"), "");
  expect(await drafting.state(model)).toMatchObject({
    drafter: "dflash",
    drafters: [
      { id: "dflash", kind: "dflash", name: "dflash" },
      { id: "mdlm", kind: "mdlm" },
    ],
  });
  expect(await drafting.fileFor(model)).toBe(file("dflash.gguf"));
  expect(await drafting.state(other)).toMatchObject({ drafter: null, drafters: [] });
  await drafting.set(model, { drafter: "mdlm" });
  expect(await drafting.fileFor(model)).toBe(file("mdlm.gguf"));
  await drafting.set(model, { drafter: null });
  expect(await drafting.fileFor(model)).toBeNull();
});

it("keeps a length for each model, and loads no drafter where drafting is off", async () => {
  writeFileSync(file("dflash.gguf"), "");
  await drafting.set(model, { mode: "fixed", length: 6 });
  expect(drafting.draftFor("embedded")).toEqual({ mode: "auto", length: 6 });
  expect(drafting.draftFor("other")).toEqual({ mode: "auto", length: 0 });
  await drafting.set(model, { mode: "off" });
  expect(drafting.draftFor("embedded")).toEqual({ mode: "off", length: 0 });
  expect(await drafting.fileFor(model)).toBeNull();
  drafting.forget("embedded");
  expect(stored).toEqual({});
});

it("refuses a file that does not fit and changes nothing", async () => {
  writeFileSync(file("story.gguf"), "");
  await expect(drafting.set(model, { drafter: file("story.gguf") })).rejects.toMatchObject({ code: "unsupported" });
  await expect(drafting.set(model, { drafter: file("gone.gguf") })).rejects.toMatchObject({ code: "not-found" });
  await expect(drafting.set(model, { drafter: "mdlm" })).rejects.toThrow(/does not ship/);
  expect(stored).toEqual({});
});

it("says why a chosen file is not used once it is gone, and answers without it", async () => {
  writeFileSync(file("dflash-own.gguf"), "");
  await drafting.set(model, { drafter: file("dflash-own.gguf") });
  expect(await drafting.fileFor(model)).toBe(file("dflash-own.gguf"));
  rmSync(file("dflash-own.gguf"));
  expect(await drafting.fileFor(model)).toBeNull();
  expect(await drafting.state(model)).toMatchObject({
    drafter: file("dflash-own.gguf"),
    drafters: [],
    trouble: { code: "not-found" },
  });
});
