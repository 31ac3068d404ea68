// The services as the composition root wires them, on a real database, above a scripted engine.
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type App, createApp } from "../../electron/app/createApp.ts";
import { createLog } from "../../electron/app/log.ts";
import { AppError } from "../../electron/contract/errors.ts";
import { defaultSampler } from "../../electron/contract/chat.ts";
import type { PublishedEvent } from "../../electron/app/eventBus.ts";
import {
  createScriptedEngine,
  type ScriptedEngine,
  scriptedModel,
  scriptedPlan,
  type ScriptedRun,
} from "../fixtures/scriptedEngine.ts";

let folder: string;
let engine: ScriptedEngine;
let app: App;
let events: PublishedEvent[];

function open(): void {
  events = [];
  app = createApp({
    version: "0.0.0",
    entry: "web",
    dataFolder: join(folder, "data"),
    modelFolders: [join(folder, "models", "default")],
    engine,
    log: createLog(join(folder, "logs")),
    pickModelFile: async () => null,
    openExternal: async () => false,
  });
  app.subscribe((event) => events.push(event));
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "conclave-services-"));
  mkdirSync(join(folder, "models", "default"), { recursive: true });
  writeFileSync(join(folder, "models", "default", "tiny-Q8_0.gguf"), "abc");
  engine = createScriptedEngine();
  open();
});

afterEach(async () => {
  await app.close();
  rmSync(folder, { recursive: true });
});

const named = (service: string, event: string): PublishedEvent[] =>
  events.filter((one) => one.service === service && one.event === event);
const ended = (count = 1): Promise<void> =>
  vi.waitFor(() => expect(named("chat", "runEnded").length + named("chat", "runFailed").length).toBe(count));

async function runOf(index: number): Promise<ScriptedRun> {
  await vi.waitFor(() => expect(engine.runs.length).toBeGreaterThan(index));
  const run = engine.runs[index];
  if (run === undefined) throw new Error("unreachable");
  return run;
}

async function answered(conversationId: string, parentId: string | null, question: string, answer: string) {
  const index = engine.runs.length;
  const count = named("chat", "runEnded").length;
  const turn = await app.handlers.chat.sendMessage({ conversationId, parentId, text: question });
  const run = await runOf(index);
  run.say(answer);
  run.end();
  await vi.waitFor(() => expect(named("chat", "runEnded").length).toBe(count + 1));
  return turn;
}

describe("a turn", () => {
  it("stores question, answer, run and trace, and tells of each step in order", async () => {
    const { chat, experts, models } = app.handlers;
    const conversation = await chat.createConversation({});
    expect(conversation.title).toBe("New chat");
    const turn = await chat.sendMessage({
      conversationId: conversation.id,
      parentId: null,
      text: "Tell me about a fox",
    });
    expect(turn.userMessage?.parts).toEqual([{ type: "text", text: "Tell me about a fox" }]);
    expect(turn.assistantMessage).toMatchObject({ state: "generating", parentId: turn.userMessage?.id });

    const run = await runOf(0);
    expect(run.request.messages).toEqual([{ role: "user", content: "Tell me about a fox" }]);
    run.say("A ");
    run.say("fox 🦊");
    run.end();
    await ended();

    const [, answer] = await chat.getMessages({ conversationId: conversation.id });
    expect(answer).toMatchObject({
      state: "complete",
      hasTrace: true,
      parts: [{ type: "text", text: "A fox 🦊" }],
      run: {
        modelId: "embedded",
        modelName: "Scripted",
        engineVersion: "scripted-1",
        stopReason: "end-of-text",
        error: null,
        sampler: defaultSampler,
        timings: { reusedTokens: 4, generatedTokens: 2, firstTokenMs: 12.5 },
      },
    });
    expect(answer?.run?.seed).toBe(run.request.seed);
    const trace = await experts.getTrace({ messageId: turn.assistantMessage.id });
    expect(trace).toMatchObject({ tokens: 2, moeLayers: 2, expertsUsed: 4, textLengths: [2, 6] });

    const steps = events.filter((one) => one.service === "chat").map((one) => one.event);
    expect(steps.filter((step) => step !== "conversationChanged")).toEqual([
      "runStarted",
      "prefillProgress",
      "tokensArrived",
      "tokensArrived",
      "runEnded",
    ]);
    expect(named("chat", "tokensArrived").map((one) => one.payload)).toMatchObject([
      { offset: 0, text: "A " },
      { offset: 2, text: "fox 🦊" },
    ]);
    expect((await chat.listConversations({}))[0]).toMatchObject({
      title: "Tell me about a fox",
      activeLeafId: turn.assistantMessage.id,
    });
    await vi.waitFor(async () => {
      const [message] = (await chat.getMessages({ conversationId: conversation.id })).slice(1);
      expect(message?.run?.modelSha256).toBe("ab".repeat(32));
    });
    expect(await models.getLoaded({})).toMatchObject({ state: "ready", modelId: "embedded", context: 512 });
  });

  it("gives back text and trace that are still growing", async () => {
    const { chat, experts } = app.handlers;
    const { id } = await chat.createConversation({});
    const turn = await chat.sendMessage({ conversationId: id, parentId: null, text: "Hi" });
    (await runOf(0)).say("Growing");
    expect((await chat.getMessages({ conversationId: id }))[1]).toMatchObject({
      state: "generating",
      hasTrace: true,
      parts: [{ text: "Growing" }],
    });
    expect(await experts.getTrace({ messageId: turn.assistantMessage.id })).toMatchObject({ tokens: 1 });
  });

  it("branches: an edit and a new answer stand beside the old ones, and the model sees one branch", async () => {
    const { chat } = app.handlers;
    const { id } = await chat.createConversation({});
    const first = await answered(id, null, "One", "1");
    await answered(id, first.assistantMessage.id, "Two", "2");
    await chat.updateConversation({ conversationId: id, systemPrompt: "Be brief." });
    const again = await chat.regenerate({ messageId: first.assistantMessage.id });
    expect(again.userMessage).toBeNull();
    const run = await runOf(2);
    expect(run.request.messages).toEqual([
      { role: "system", content: "Be brief." },
      { role: "user", content: "One" },
    ]);
    run.say("one");
    run.end();
    await ended(3);
    expect((await chat.getMessages({ conversationId: id })).map((message) => message.parentId)).toEqual([
      null,
      first.userMessage?.id,
      first.assistantMessage.id,
      expect.any(String),
      first.userMessage?.id,
    ]);
    const shown = await chat.setActiveLeaf({ conversationId: id, messageId: first.assistantMessage.id });
    const messages = await chat.getMessages({ conversationId: id });
    expect(shown.activeLeafId).toBe(messages[3]?.id);
  });

  it("refuses a second run in one conversation but not in another", async () => {
    const { chat } = app.handlers;
    const [a, b] = [await chat.createConversation({}), await chat.createConversation({})];
    const turn = await chat.sendMessage({ conversationId: a.id, parentId: null, text: "Hi" });
    await expect(
      chat.sendMessage({ conversationId: a.id, parentId: turn.assistantMessage.id, text: "again" }),
    ).rejects.toMatchObject({ code: "conflict" });
    await chat.sendMessage({ conversationId: b.id, parentId: null, text: "Hello" });
    await runOf(1);
    engine.runs[0]?.say("to a");
    engine.runs[1]?.say("to b");
    for (const run of engine.runs) run.end();
    await ended(2);
    expect((await chat.getMessages({ conversationId: a.id }))[1]?.parts[0]?.text).toBe("to a");
    expect((await chat.getMessages({ conversationId: b.id }))[1]?.parts[0]?.text).toBe("to b");
  });

  it("keeps a stopped answer as it is", async () => {
    const { chat } = app.handlers;
    const { id } = await chat.createConversation({});
    const turn = await chat.sendMessage({ conversationId: id, parentId: null, text: "Hi" });
    (await runOf(0)).say("Half");
    await chat.stopRun({ runId: turn.runId });
    await ended();
    expect((await chat.getMessages({ conversationId: id }))[1]).toMatchObject({
      state: "complete",
      parts: [{ text: "Half" }],
      run: { stopReason: "cancelled" },
    });
  });

  it("stops also while the model is still loading", async () => {
    engine.loadGate = new Promise(() => undefined);
    const { chat } = app.handlers;
    const { id } = await chat.createConversation({});
    const turn = await chat.sendMessage({ conversationId: id, parentId: null, text: "Hi" });
    await chat.stopRun({ runId: turn.runId });
    await ended();
    expect((await chat.getMessages({ conversationId: id }))[1]?.run?.stopReason).toBe("cancelled");
    engine.cancelLoad();
  });

  it("keeps the words of an answer whose engine crashed, and goes on with the next", async () => {
    const { chat, experts } = app.handlers;
    const { id } = await chat.createConversation({});
    const turn = await chat.sendMessage({ conversationId: id, parentId: null, text: "Hi" });
    const run = await runOf(0);
    run.say("Cut");
    run.fail(new AppError("engine-crashed", "The engine ended."));
    await ended();
    expect(named("chat", "runFailed")[0]?.payload).toMatchObject({ error: { code: "engine-crashed" } });
    expect((await chat.getMessages({ conversationId: id }))[1]).toMatchObject({
      state: "interrupted",
      parts: [{ text: "Cut" }],
      run: { error: { code: "engine-crashed", message: "The engine ended." } },
    });
    expect(await experts.getTrace({ messageId: turn.assistantMessage.id })).toMatchObject({ tokens: 1 });
    await answered(id, turn.assistantMessage.id, "Go on", "Fine");
  });

  it("says why when the model cannot be loaded, and fails the empty answer", async () => {
    engine.loadError = new AppError("out-of-memory", "Needs 23.4 GB, 16.1 GB free.");
    const { chat, models } = app.handlers;
    const { id } = await chat.createConversation({});
    await chat.sendMessage({ conversationId: id, parentId: null, text: "Hi" });
    await ended();
    expect((await chat.getMessages({ conversationId: id }))[1]).toMatchObject({
      state: "failed",
      run: { error: { code: "out-of-memory" } },
    });
    expect(await models.getLoaded({})).toMatchObject({ state: "failed", modelId: "embedded" });
  });

  it("offers what would fit when memory was short, and loads so", async () => {
    engine.planned = { ...scriptedPlan, placement: "too-large", mostContext: 256 };
    engine.loadError = new AppError("out-of-memory", "There is not enough memory.");
    const { models } = app.handlers;
    await expect(models.load({ modelId: "embedded" })).rejects.toMatchObject({ code: "out-of-memory" });
    expect(await models.getLoaded({})).toMatchObject({ state: "failed", ways: { context: 256, processor: false } });
    engine.loadError = null;
    await models.setLoadOptions({ modelId: "embedded", options: { context: 256 } });
    expect(await models.load({ modelId: "embedded" })).toMatchObject({ state: "ready", context: 256, experts: 32 });
    expect(await models.getPlacement({})).toBeNull(); // the scripted engine is nowhere
  });

  it("shows what a model took when it was unloaded, and tells a card's engine which experts were used", async () => {
    const { chat, models } = app.handlers;
    const { id } = await chat.createConversation({});
    await answered(id, null, "Hi", "Hello");
    expect(engine.loads[0]?.expertUsage).toBeUndefined();
    engine.peak = { ram: 700, ramWork: 120, vram: 0 };
    await models.unload({});
    expect((await models.getPlan({ modelId: "embedded" })).measured).toMatchObject({ placement: "cpu", ram: 700 });
    engine.planned = { ...scriptedPlan, machine: { ...scriptedPlan.machine, vram: 100, card: "cuda" } };
    await models.load({ modelId: "embedded" });
    const usage = engine.loads[1]?.expertUsage;
    expect(usage?.map((layer) => layer.reduce((sum, count) => sum + count, 0))).toEqual([4, 4]);
    expect(usage?.[0]).toHaveLength(scriptedModel.experts);
  });

  it("writes nothing when there is no model at all", async () => {
    await app.close();
    rmSync(join(folder, "models"), { recursive: true });
    open();
    const { chat } = app.handlers;
    const { id } = await chat.createConversation({});
    await expect(chat.sendMessage({ conversationId: id, parentId: null, text: "Hi" })).rejects.toMatchObject({
      code: "no-model",
    });
    expect(await chat.getMessages({ conversationId: id })).toEqual([]);
  });
});

describe("across a restart", () => {
  it("marks what was being written as interrupted and keeps its words", async () => {
    const { chat } = app.handlers;
    const { id } = await chat.createConversation({});
    await chat.sendMessage({ conversationId: id, parentId: null, text: "Hi" });
    (await runOf(0)).say("Half an answer");
    await app.close();
    open();
    expect((await app.handlers.chat.getMessages({ conversationId: id }))[1]).toMatchObject({
      state: "interrupted",
      parts: [{ text: "Half an answer" }],
    });
    expect(await app.handlers.chat.search({ query: "answer", limit: 5 })).toHaveLength(1);
  });

  it("loads the last used model at the first need", async () => {
    const other = join(folder, "other.gguf");
    writeFileSync(other, "abcdef");
    const added = await app.handlers.models.addFile({ path: other });
    await app.handlers.models.load({ modelId: added.id });
    await app.close();
    open();
    const { id } = await app.handlers.chat.createConversation({});
    await app.handlers.chat.sendMessage({ conversationId: id, parentId: null, text: "Hi" });
    await runOf(0);
    expect(engine.loads.at(-1)?.path).toBe(other);
  });

  it("does not read again a model file that has not changed", async () => {
    await app.handlers.models.list({});
    await app.close();
    open();
    expect((await app.handlers.models.list({})).map((model) => model.id)).toEqual(["embedded"]);
    expect(engine.inspected).toHaveLength(1);
  });
});

describe("conversations", () => {
  it("come back after a delete, are purged only after a day, and vanish from lists and search at once", async () => {
    const { chat } = app.handlers;
    const { id } = await chat.createConversation({});
    await answered(id, null, "A question about rivers", "The Danube");
    await chat.deleteConversation({ conversationId: id });
    expect(await chat.listConversations({})).toEqual([]);
    expect(await chat.search({ query: "danube", limit: 5 })).toEqual([]);
    await app.close();
    open();
    await app.handlers.chat.restoreConversation({ conversationId: id });
    expect(await app.handlers.chat.getMessages({ conversationId: id })).toHaveLength(2);
    await app.handlers.chat.deleteConversation({ conversationId: id });
    await app.close();
    vi.setSystemTime(Date.now() + 25 * 3600 * 1000);
    open();
    vi.useRealTimers();
    await expect(app.handlers.chat.restoreConversation({ conversationId: id })).rejects.toMatchObject({
      code: "not-found",
    });
  });

  it("keep the user's title when a message follows", async () => {
    const { chat } = app.handlers;
    const { id } = await chat.createConversation({});
    await chat.renameConversation({ conversationId: id, title: "Mine" });
    await answered(id, null, "Something else", "ok");
    expect((await chat.listConversations({}))[0]?.title).toBe("Mine");
  });

  it("use their own sampler over the general one", async () => {
    const { chat, settings } = app.handlers;
    const { id } = await chat.createConversation({});
    await settings.update({ sampler: { ...defaultSampler, topK: 7 } });
    await chat.updateConversation({ conversationId: id, sampler: { temperature: 0, seed: 42 } });
    await chat.sendMessage({ conversationId: id, parentId: null, text: "Hi" });
    const run = await runOf(0);
    expect(run.request).toMatchObject({ seed: 42, sampler: { temperature: 0, topK: 7 } });
  });
});

describe("models", () => {
  it("tell of a file that went away, and refuse to load it", async () => {
    const { models } = app.handlers;
    const path = join(folder, "other.gguf");
    writeFileSync(path, "abcdef");
    const added = await models.addFile({ path });
    expect(await models.addFile({ path })).toMatchObject({ id: added.id });
    rmSync(path);
    const listed = (await models.list({})).find((model) => model.id === added.id);
    expect(listed?.broken).toMatchObject({ code: "not-found" });
    await expect(models.load({ modelId: added.id })).rejects.toMatchObject({ code: "not-found" });
    await models.remove({ modelId: added.id });
    await expect(models.remove({ modelId: "embedded" })).rejects.toMatchObject({ code: "bad-argument" });
  });

  it("draft as was chosen for them, from the next answer on", async () => {
    const { chat, models } = app.handlers;
    const path = join(folder, "dflash-own.gguf");
    writeFileSync(path, "d");
    const { id } = await chat.createConversation({});
    await answered(id, null, "Hi", "Yes");
    expect(engine.loads).toMatchObject([{ drafters: [] }]);
    expect((await runOf(0)).request.draft).toEqual({ mode: "auto", length: 0 });
    await expect(models.setDrafting({ modelId: "embedded", drafter: join(folder, "no.gguf") })).rejects.toMatchObject({
      code: "not-found",
    });
    await models.setDrafting({ modelId: "embedded", mode: "fixed", length: 5, drafter: path });
    const before = engine.runs.length;
    const turn = await answered(id, null, "Hi again", "Yes");
    expect(engine.loads.slice(1)).toMatchObject([{ drafters: [realpathSync(path)] }]);
    expect((await runOf(before)).request.draft).toEqual({ mode: "auto", length: 5 });
    const stored = (await chat.getMessages({ conversationId: id })).find(
      (message) => message.id === turn.assistantMessage.id,
    );
    expect(stored?.run?.draft).toEqual({ mode: "auto", length: 5 });
    expect(await models.getDrafting({ modelId: "embedded" })).toMatchObject({
      mode: "fixed",
      length: 5,
      trouble: null,
    });
  });

  it("report progress and can be cancelled", async () => {
    const gate = Promise.withResolvers<void>();
    engine.loadGate = gate.promise;
    const { models } = app.handlers;
    const load = models.load({ modelId: "embedded" });
    await vi.waitFor(() => expect(named("models", "loadedChanged").at(-1)?.payload).toMatchObject({ doneBytes: 1 }));
    await models.cancelLoad({});
    await expect(load).rejects.toMatchObject({ code: "cancelled" });
    expect(await models.getLoaded({})).toEqual({ state: "none" });
  });

  it("can be cancelled or replaced before the engine hears of the load", async () => {
    const { models } = app.handlers;
    const path = join(folder, "other.gguf");
    writeFileSync(path, "o");
    const other = await models.addFile({ path });
    for (const end of [() => models.cancelLoad({}), () => models.load({ modelId: other.id })]) {
      const gate = Promise.withResolvers<void>();
      engine.planGate = gate.promise;
      const plans = engine.plans.length;
      const load = models.load({ modelId: "embedded" });
      const givenUp = expect(load).rejects.toMatchObject({ code: "cancelled" });
      await vi.waitFor(() => expect(engine.plans.length).toBe(plans + 1));
      const next = end();
      gate.resolve();
      await givenUp;
      await next;
    }
    expect(engine.loads.map((request) => request.path)).toEqual([realpathSync(path)]);
    expect(await models.getLoaded({})).toMatchObject({ state: "ready", modelId: other.id });
  });
});

describe("dispatch", () => {
  it("refuses unknown names, also those of every object, and wrong input", async () => {
    for (const [service, call] of [
      ["chat", "nothing"],
      ["nothing", "x"],
      ["__proto__", "toString"],
      ["chat", "constructor"],
      [1, {}],
    ]) {
      expect(await app.dispatch(service, call, {})).toMatchObject({ ok: false, error: { code: "bad-argument" } });
    }
    expect(await app.dispatch("chat", "getMessages", { conversationId: 5 })).toMatchObject({
      ok: false,
      error: { code: "bad-argument", message: expect.stringContaining("conversationId") },
    });
    expect(await app.dispatch("chat", "listConversations", {})).toEqual({ ok: true, value: [] });
  });

  it("opens no address but http, https and mailto", async () => {
    for (const url of [
      "file:///etc/passwd",
      "smb://host/x",
      "javascript:alert(1)",
      "ms-msdt:/id",
      "https://user:pw@host/",
      "nonsense",
    ]) {
      expect(await app.dispatch("app", "openExternal", { url })).toMatchObject({
        ok: false,
        error: { code: "forbidden" },
      });
    }
  });
});
