// Templates as the composition root wires them, on a real database, above a scripted engine: versions, applying, what the
// model is given and what is recorded of it, and the files of computed beginnings with their cap.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type App, createApp } from "../../electron/app/createApp.ts";
import type { PublishedEvent } from "../../electron/app/eventBus.ts";
import { createLog } from "../../electron/app/log.ts";
import type { Template, TemplateContent } from "../../electron/contract/templates.ts";
import { createScriptedEngine, type ScriptedEngine } from "../fixtures/scriptedEngine.ts";

let folder: string;
let engine: ScriptedEngine;
let app: App;
let events: PublishedEvent[];

function open(): void {
  events = [];
  engine = createScriptedEngine();
  app = createApp({
    version: "0.0.0",
    entry: "web",
    dataFolder: join(folder, "data"),
    modelFolders: [join(folder, "models")],
    engine,
    log: createLog(join(folder, "logs")),
    pickModelFile: async () => null,
    openExternal: async () => false,
  });
  app.subscribe((event) => events.push(event));
}

async function restart(): Promise<void> {
  await app.close();
  open();
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "conclave-templates-"));
  mkdirSync(join(folder, "models"));
  writeFileSync(join(folder, "models", "tiny-Q8_0.gguf"), "abc");
  open();
});

afterEach(async () => {
  await app.close();
  rmSync(folder, { recursive: true });
});

const content = (change: Partial<TemplateContent> = {}): TemplateContent => ({
  name: "Fable",
  slug: "fable",
  description: "",
  system: "Tell a short fable, in plain words and with no moral at the end. It is about {{animal}}.",
  examples: [],
  variables: [{ name: "animal", label: "", type: "text", default: "", required: true, choices: [] }],
  ...change,
});
const files = (): string[] => readdirSync(join(folder, "data", "prefixes"));
const warmth = async (id: string) => (await app.handlers.templates.list({})).find((each) => each.id === id)?.warmth;
const sourcesOf = (): string[] => engine.warmed.map(({ source }) => source);

async function saved(change: Partial<TemplateContent> = {}): Promise<Template> {
  return app.handlers.templates.save({ id: null, content: content(change) });
}

async function applied(template: Template, values: Record<string, string> = { animal: "a fox" }): Promise<string> {
  const conversation = await app.handlers.chat.createConversation({});
  await app.handlers.templates.apply({ conversationId: conversation.id, templateId: template.id, values });
  return conversation.id;
}

/** Once the file's hash is known, without which nothing is kept on disk. */
async function withHash(): Promise<void> {
  await app.handlers.models.list({});
  await vi.waitFor(async () => expect((await app.handlers.models.list({}))[0]?.sha256).not.toBeNull());
}

async function answered(conversationId: string, parentId: string | null, text: string): Promise<string> {
  const index = engine.runs.length;
  const turn = await app.handlers.chat.sendMessage({ conversationId, parentId, text });
  await vi.waitFor(() => expect(engine.runs.length).toBe(index + 1));
  engine.runs[index]?.say("Yes.");
  engine.runs[index]?.end();
  await vi.waitFor(async () => {
    const messages = await app.handlers.chat.getMessages({ conversationId });
    expect(messages.find((message) => message.id === turn.assistantMessage.id)?.state).toBe("complete");
  });
  return turn.assistantMessage.id;
}

describe("the list", () => {
  it("begins with the ten that come with the app, and a removed one stays away", async () => {
    const { templates } = app.handlers;
    expect(await templates.list({})).toHaveLength(10);
    await templates.remove({ id: "shipped-tutor" });
    await restart();
    const slugs = (await app.handlers.templates.list({})).map((each) => each.content.slug);
    expect(slugs).toHaveLength(9);
    expect(slugs).not.toContain("tutor");
    await app.handlers.templates.restore({ id: "shipped-tutor" });
    expect(await app.handlers.templates.list({})).toHaveLength(10);
  });

  it("gives a restored template another short name when its own was taken meanwhile", async () => {
    const first = await saved();
    await app.handlers.templates.remove({ id: first.id });
    await saved();
    expect((await app.handlers.templates.restore({ id: first.id })).content.slug).toBe("fable-2");
  });
});

describe("versions", () => {
  it("are made by changes alone, compared line by line, and brought back as new ones", async () => {
    const { templates } = app.handlers;
    const { id } = await saved();
    expect((await templates.save({ id, content: content() })).version).toBe(1);
    const changed = content({ system: `Begin at once.\n${content().system}` });
    expect((await templates.save({ id, content: changed })).version).toBe(2);
    expect((await templates.diff({ id, from: 1, to: 2 })).filter((line) => line.kind !== "same")).toEqual([
      { kind: "added", text: "Begin at once." },
    ]);
    const back = await templates.restoreVersion({ id, version: 1 });
    expect(back).toMatchObject({ version: 3, content: content() });
    expect((await templates.history({ id })).map((each) => each.version)).toEqual([3, 2, 1]);
  });

  it("are refused with a sentence when they cannot be used", async () => {
    await expect(saved({ variables: [] })).rejects.toThrow("not declared");
    await expect(saved({ slug: "tutor" })).rejects.toThrow("another short name");
    await expect(app.handlers.templates.save({ id: "nowhere", content: content() })).rejects.toThrow("not there");
  });
});

describe("a conversation with a template", () => {
  it("begins with it, says so in its run, and still does when the template has changed", async () => {
    const { templates, chat } = app.handlers;
    const template = await saved({
      examples: [
        { role: "user", content: "About {{animal}}?" },
        { role: "assistant", content: "Yes." },
      ],
    });
    const conversationId = await applied(template);
    await chat.updateConversation({ conversationId, systemPrompt: "Rhyme." });
    await templates.save({ id: template.id, content: content({ system: "Other. {{animal}}" }) });
    const answerId = await answered(conversationId, null, "Begin.");
    const system = `${content().system.replace("{{animal}}", "a fox")}\n\nRhyme.`;
    expect(engine.runs[0]?.request.messages).toEqual([
      { role: "system", content: system },
      { role: "user", content: "About a fox?" },
      { role: "assistant", content: "Yes." },
      { role: "user", content: "Begin." },
    ]);
    const answer = (await chat.getMessages({ conversationId })).find((message) => message.id === answerId);
    expect(answer?.run?.prompt).toMatchObject({
      systemPrompt: system,
      template: { templateId: template.id, version: 1, name: "Fable", values: { animal: "a fox" } },
    });
    await restart();
    expect(await app.handlers.templates.getApplied({ conversationId })).toMatchObject({ version: 1 });
    await app.handlers.templates.remove({ id: template.id });
    await answered(conversationId, answerId, "Go on.");
    expect(engine.runs[0]?.request.messages[0]).toEqual({ role: "system", content: system });
  });

  it("hands it on to a fork, and makes an answer again with the very same beginning", async () => {
    const { templates, chat } = app.handlers;
    const template = await saved();
    const conversationId = await applied(template);
    const answerId = await answered(conversationId, null, "Begin.");
    const fork = await chat.forkConversation({ messageId: answerId });
    expect(await templates.getApplied({ conversationId: fork.id })).toMatchObject({
      templateId: template.id,
      version: 1,
    });
    await templates.clearApplied({ conversationId });
    await chat.regenerate({ messageId: answerId, exactly: true });
    await vi.waitFor(() => expect(engine.runs).toHaveLength(2));
    expect(engine.runs[1]?.request.messages).toEqual(engine.runs[0]?.request.messages);
    engine.runs[1]?.end();
  });

  it("keeps the day it began on, takes what only the page knows, and asks for what is missing", async () => {
    const template = await saved({ system: "{{date}} {{clipboard}} {{animal}}" });
    const { templates, chat } = app.handlers;
    const { id } = await chat.createConversation({});
    await expect(templates.apply({ conversationId: id, templateId: template.id, values: {} })).rejects.toThrow(
      "animal",
    );
    const values = { animal: "x", clipboard: "{{animal}}", locale: "en-GB", timezone: "UTC", other: "?" };
    const { values: kept } = await templates.apply({ conversationId: id, templateId: template.id, values });
    expect(Object.keys(kept).toSorted()).toEqual(["animal", "clipboard", "date"]);
    expect(kept["clipboard"]).toBe("{{animal}}");
    await templates.clearApplied({ conversationId: id });
    expect(await templates.getApplied({ conversationId: id })).toBeNull();
    const told = events.filter(({ event }) => event === "appliedChanged").map(({ payload }) => payload);
    expect(told).toMatchObject([{ conversationId: id, applied: { name: "Fable" } }, { applied: null }]);
  });
});

describe("warmth", () => {
  it("comes with choosing a template, is found on disk after a restart, and counts what it spared", async () => {
    await withHash();
    const template = await saved();
    expect(await warmth(template.id)).toMatchObject({ state: "unknown" });
    await applied(template);
    await vi.waitFor(async () => expect(await warmth(template.id)).toMatchObject({ state: "memory" }));
    expect(sourcesOf()).toEqual(["computed"]);
    expect(engine.warmed[0]?.text).toBe(`<system>${content().system.split("{{")[0]}`);
    expect(files()).toHaveLength(1);

    await restart();
    const conversationId = await applied(template);
    await vi.waitFor(() => expect(sourcesOf()).toEqual(["disk"]));
    await answered(conversationId, null, "Begin.");
    await vi.waitFor(async () => expect(await warmth(template.id)).toMatchObject({ uses: 1 }));
    expect((await warmth(template.id))?.savedMs).toBeGreaterThan(0);
    expect(await app.handlers.templates.getCache({})).toMatchObject({ files: 1 });
  });

  it("is only in memory while the model's hash is not known, and nowhere once forgotten", async () => {
    await withHash();
    const [first, second] = [await saved(), await saved({ slug: "other", system: "Another. {{animal}}" })];
    await app.handlers.templates.warm({ id: first.id });
    await app.handlers.templates.warm({ id: second.id });
    expect(files()).toHaveLength(2);
    await app.handlers.templates.forget({ id: first.id });
    expect(files()).toHaveLength(1);
    await app.handlers.templates.forget({ id: null });
    expect(files()).toEqual([]);
    expect(await warmth(first.id)).toMatchObject({ state: "memory", bytes: 0 });
  });

  it("stays under its cap, the least recently used going first, and none is kept with a cap of 0", async () => {
    await withHash();
    engine.bytesPerToken = 4000;
    const ids: string[] = [];
    for (const slug of ["t1", "t2", "t3"]) ids.push((await saved({ slug, system: `${slug} ${content().system}` })).id);
    await app.handlers.settings.update({ prefixCacheMb: 1 });
    for (const id of ids) await app.handlers.templates.warm({ id });
    expect(files()).toHaveLength(2);
    expect(await app.handlers.templates.getCache({})).toMatchObject({ files: 2, capBytes: 1_000_000 });
    await app.handlers.templates.warm({ id: String(ids[1]) });
    await app.handlers.templates.warm({ id: String(ids[0]) });
    const states = await Promise.all(ids.map(warmth));
    expect(states.map((state) => (state?.bytes ?? 0) > 0)).toEqual([true, true, false]);
    await app.handlers.settings.update({ prefixCacheMb: 0 });
    await app.handlers.templates.forget({ id: null });
    for (const id of ids) await app.handlers.templates.warm({ id });
    expect(files()).toEqual([]);
  });

  it("forgets files without a row and rows without a file at the start", async () => {
    await withHash();
    const template = await saved();
    await app.handlers.templates.warm({ id: template.id });
    const [name] = files();
    await app.close();
    rmSync(join(folder, "data", "prefixes", String(name)));
    writeFileSync(join(folder, "data", "prefixes", "stray.kv"), "x");
    writeFileSync(join(folder, "data", "prefixes", `${name}.part`), "x");
    open();
    expect(files()).toEqual([]);
    expect(await app.handlers.templates.getCache({})).toMatchObject({ files: 0, bytes: 0 });
  });
});

describe("a preview", () => {
  it("shows what the model would get, what is missing, where the warm part ends, and a better order", async () => {
    const { templates, models } = app.handlers;
    const system = `For {{animal}}, on {{date}}.\n\n${"These rules stay the same. ".repeat(4).trim()}`;
    const before = await templates.preview({ content: content({ system }), values: {} });
    expect(before).toMatchObject({
      problems: [],
      missing: { animal: "It must be filled in." },
      builtIns: ["date"],
      tokens: null,
      warmTokens: null,
      warmEnd: { part: "system", offset: 4 },
    });
    expect(before.system).toContain("For {{animal}}, on ");
    expect(before.reordered?.startsWith("These rules")).toBe(true);
    await models.load({ modelId: "embedded" });
    const after = await templates.preview({
      content: content({ system, name: "", slug: "" }),
      values: { animal: "owl" },
    });
    expect(after.system).toContain("For owl");
    expect(after.tokens).toBeGreaterThan(after.warmTokens ?? Infinity);
  });
});

describe("export and import", () => {
  it("carry templates to another place, with a number behind a short name that is taken", async () => {
    const { templates } = app.handlers;
    const template = await saved();
    const json = await templates.exportTemplates({ ids: [template.id] });
    const [added] = await templates.importTemplates({ json });
    expect(added?.content).toEqual({ ...content(), slug: "fable-2" });
    await expect(templates.importTemplates({ json: "[]" })).rejects.toThrow("Nothing was imported");
    expect(await templates.list({})).toHaveLength(12);
  });
});
