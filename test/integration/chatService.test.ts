// What the chat service does to the tree of a conversation and to the prompts it makes of it, on a real database above a
// scripted engine.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type App, createApp } from "../../electron/app/createApp.ts";
import type { PublishedEvent } from "../../electron/app/eventBus.ts";
import { createLog } from "../../electron/app/log.ts";
import { branchTo } from "../../electron/chat/branches.ts";
import { defaultSampler, type Message } from "../../electron/contract/chat.ts";
import { createScriptedEngine, type ScriptedEngine, type ScriptedRun } from "../fixtures/scriptedEngine.ts";

let folder: string;
let engine: ScriptedEngine;
let app: App;
let events: PublishedEvent[];
let conversationId: string;
let spokenRuns: number;

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

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "conclave-chat-"));
  mkdirSync(join(folder, "models", "default"), { recursive: true });
  writeFileSync(join(folder, "models", "default", "tiny-Q8_0.gguf"), "abc");
  engine = createScriptedEngine();
  spokenRuns = 0;
  open();
  conversationId = (await app.handlers.chat.createConversation({})).id;
});

afterEach(async () => {
  await app.close();
  rmSync(folder, { recursive: true });
});

const chat = () => app.handlers.chat;
const endedRuns = (): number =>
  events.filter(({ service, event }) => service === "chat" && (event === "runEnded" || event === "runFailed")).length;
const tree = (): Promise<Message[]> => chat().getMessages({ conversationId });
const textOf = (message: Message | undefined): string => message?.parts.map((part) => part.text).join("") ?? "absent";

/** The first run that has not been spoken for. */
async function nextRun(): Promise<ScriptedRun> {
  await vi.waitFor(() => expect(engine.runs.length).toBeGreaterThan(spokenRuns));
  const run = engine.runs[spokenRuns];
  if (run === undefined) throw new Error("unreachable");
  spokenRuns += 1;
  return run;
}

/** Lets the next run say this and end; gives back the answer as it is stored. */
async function finish(messageId: string, words: string, reason?: "max-tokens"): Promise<Message> {
  const before = endedRuns();
  const run = await nextRun();
  run.say(words);
  run.end(reason);
  await vi.waitFor(() => expect(endedRuns()).toBe(before + 1));
  const stored = (await tree()).find(({ id }) => id === messageId);
  if (stored === undefined) throw new Error("The answer is not there");
  return stored;
}

async function ask(parentId: string | null, text: string, words: string): Promise<Message> {
  const { assistantMessage } = await chat().sendMessage({ conversationId, parentId, text });
  return finish(assistantMessage.id, words);
}

async function shown(): Promise<string[]> {
  const conversation = (await chat().listConversations({})).find(({ id }) => id === conversationId);
  return branchTo(await tree(), conversation?.activeLeafId ?? null).map(textOf);
}

describe("editing by hand", () => {
  it("makes a version beside an answer, keeps the old one, and the next message follows the new one", async () => {
    const answer = await ask(null, "One", "1");
    await ask(answer.id, "Two", "2");
    const edited = await chat().editMessage({ messageId: answer.id, text: "Uno" });
    expect(edited).toMatchObject({ parentId: answer.parentId, role: "assistant", run: null, state: "complete" });
    expect(await shown()).toEqual(["One", "Uno"]);
    await ask(edited.id, "Three", "3");
    expect(engine.runs.at(-1)?.request.messages.map(({ content }) => content)).toEqual(["One", "Uno", "Three"]);
    await chat().setActiveLeaf({ conversationId, messageId: answer.id });
    expect(await shown()).toEqual(["One", "1", "Two", "2"]);
    expect(events.filter(({ event }) => event === "messagesChanged").map(({ payload }) => payload)).toMatchObject([
      { conversationId, changed: [{ id: edited.id }], removed: [] },
    ]);
  });

  it("is refused while an answer is being written", async () => {
    const { assistantMessage, userMessage } = await chat().sendMessage({ conversationId, parentId: null, text: "Hi" });
    const messageId = userMessage?.id ?? "";
    for (const refused of [
      chat().editMessage({ messageId, text: "Hello" }),
      chat().deleteMessage({ messageId }),
      chat().forkConversation({ messageId }),
      chat().continueAnswer({ messageId: assistantMessage.id }),
    ]) {
      await expect(refused).rejects.toMatchObject({ code: "conflict" });
    }
    await finish(assistantMessage.id, "Hi");
  });
});

describe("deleting one message", () => {
  it("hangs what stood below it on its parent, and undo puts all back", async () => {
    const first = await ask(null, "One", "1");
    await ask(first.id, "Two", "2");
    await chat().deleteMessage({ messageId: first.id });
    expect(await shown()).toEqual(["One", "Two", "2"]);
    expect(await chat().search({ query: "1", limit: 5 })).toEqual([]);
    await ask((await tree()).at(-1)?.id ?? null, "Three", "3");
    // Neighbours of one role become one turn.
    expect(engine.runs.at(-1)?.request.messages.map(({ content }) => content)).toEqual(["One\n\nTwo", "2", "Three"]);
    await chat().restoreMessage({ messageId: first.id });
    expect(await shown()).toEqual(["One", "1", "Two", "2", "Three", "3"]);
  });

  it("at the end of the thread shows another version, else what stood above; undo shows it again", async () => {
    const first = await ask(null, "One", "1");
    const again = await chat().regenerate({ messageId: first.id });
    await finish(again.assistantMessage.id, "one");
    await chat().deleteMessage({ messageId: again.assistantMessage.id });
    expect(await shown()).toEqual(["One", "1"]);
    await chat().deleteMessage({ messageId: first.id });
    expect(await shown()).toEqual(["One"]);
    await chat().restoreMessage({ messageId: again.assistantMessage.id });
    expect(await shown()).toEqual(["One", "one"]);
  });

  it("outlives a restart, and a day later it is gone for good, without what hangs below it", async () => {
    const first = await ask(null, "One", "1");
    await ask(first.id, "Two", "2");
    await chat().deleteMessage({ messageId: first.id });
    await app.close();
    open();
    expect(await shown()).toEqual(["One", "Two", "2"]);
    await app.close();
    vi.setSystemTime(Date.now() + 25 * 3600 * 1000);
    open();
    vi.useRealTimers();
    expect(await shown()).toEqual(["One", "Two", "2"]);
    await expect(chat().restoreMessage({ messageId: first.id })).rejects.toMatchObject({ code: "not-found" });
  });
});

describe("continuing a cut answer", () => {
  it("makes a version that begins with its words and its trace; the old one stays", async () => {
    const { assistantMessage } = await chat().sendMessage({ conversationId, parentId: null, text: "Tell" });
    const cut = await finish(assistantMessage.id, "Once upon", "max-tokens");
    const { assistantMessage: longer } = await chat().continueAnswer({ messageId: cut.id });
    expect(textOf(longer)).toBe("Once upon");
    const whole = await finish(longer.id, " a time");
    expect(engine.runs.at(-1)?.request).toMatchObject({
      answerStart: "Once upon",
      messages: [{ role: "user", content: "Tell" }],
    });
    expect(textOf(whole)).toBe("Once upon a time");
    expect(whole).toMatchObject({ hasTrace: true, parentId: cut.parentId, run: { prompt: { continuedFrom: 9 } } });
    expect(await app.handlers.experts.getTrace({ messageId: whole.id })).toMatchObject({
      tokens: 2,
      textLengths: [9, 7],
    });
    expect((await tree()).map(textOf)).toEqual(["Tell", "Once upon", "Once upon a time"]);
  });

  it("leaves the trace out where none fits the words, as behind an edit", async () => {
    const answer = await ask(null, "Tell", "Once");
    const edited = await chat().editMessage({ messageId: answer.id, text: "Twice upon" });
    const { assistantMessage } = await chat().continueAnswer({ messageId: edited.id });
    expect(await finish(assistantMessage.id, " a time")).toMatchObject({ hasTrace: false });
  });
});

describe("copies", () => {
  it("fork holds the branch up to a message, with its runs and traces", async () => {
    const first = await ask(null, "One", "1");
    await ask(first.id, "Two", "2");
    await chat().updateConversation({ conversationId, systemPrompt: "Be brief.", sampler: { topK: 3 } });
    const fork = await chat().forkConversation({ messageId: first.id });
    expect(fork).toMatchObject({ title: "One (fork)", systemPrompt: "Be brief.", sampler: { topK: 3 } });
    const copied = await chat().getMessages({ conversationId: fork.id });
    expect(copied.map(textOf)).toEqual(["One", "1"]);
    expect(copied[1]).toMatchObject({ id: fork.activeLeafId, hasTrace: true, run: { seed: first.run?.seed } });
    expect(copied[1]?.run?.prompt?.firstMessageId).toBe(copied[0]?.id);
    expect(await chat().search({ query: "One", limit: 5 })).toHaveLength(2);
    expect((await tree()).length).toBe(4);
  });

  it("duplicate holds every branch", async () => {
    const first = await ask(null, "One", "1");
    const again = await chat().regenerate({ messageId: first.id });
    await finish(again.assistantMessage.id, "one");
    const copy = await chat().duplicateConversation({ conversationId });
    const copied = await chat().getMessages({ conversationId: copy.id });
    expect(copied.map(textOf)).toEqual(["One", "1", "one"]);
    expect(new Set(copied.slice(1).map(({ parentId }) => parentId))).toEqual(new Set([copied[0]?.id]));
  });
});

describe("a new answer", () => {
  it("with other sampling changes only that run", async () => {
    const first = await ask(null, "One", "1");
    const again = await chat().regenerate({ messageId: first.id, sampler: { temperature: 0 } });
    await finish(again.assistantMessage.id, "one");
    expect(engine.runs.at(-1)?.request.sampler).toEqual({ ...defaultSampler, temperature: 0 });
    expect((await chat().listConversations({}))[0]?.sampler).toEqual({});
  });

  it("by another model loads that one", async () => {
    const path = join(folder, "other.gguf");
    writeFileSync(path, "abcdef");
    const other = await app.handlers.models.addFile({ path });
    const first = await ask(null, "One", "1");
    const again = await chat().regenerate({ messageId: first.id, modelId: other.id });
    const message = await finish(again.assistantMessage.id, "one");
    expect(message.run).toMatchObject({ modelId: other.id, reuse: { kind: "other-model" } });
    expect(engine.loads.at(-1)?.path).toBe(path);
    await expect(chat().regenerate({ messageId: first.id, modelId: "gone" })).rejects.toMatchObject({
      code: "not-found",
    });
  });

  it("exactly repeats seed, sampler, system prompt and where the model's view began", async () => {
    await chat().updateConversation({ conversationId, systemPrompt: "Be brief.", sampler: { topK: 7 } });
    const first = await ask(null, "One", "1");
    const second = await ask(first.id, "Two", "2");
    await chat().updateConversation({ conversationId, systemPrompt: "Be long.", sampler: {} });
    await chat().setContextStart({ conversationId, messageId: second.parentId });
    const again = await chat().regenerate({ messageId: second.id, exactly: true });
    await finish(again.assistantMessage.id, "2");
    expect(engine.runs[2]?.request).toEqual(engine.runs[1]?.request);
  });

  it("exactly is refused when the chat template is another one now, and for what was written by hand", async () => {
    const first = await ask(null, "One", "1");
    await app.handlers.settings.update({ chatTemplate: "plain" });
    await expect(chat().regenerate({ messageId: first.id, exactly: true })).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringContaining("“plain”"),
    });
    const edited = await chat().editMessage({ messageId: first.id, text: "Uno" });
    await expect(chat().regenerate({ messageId: edited.id, exactly: true })).rejects.toMatchObject({
      code: "bad-argument",
    });
  });
});

describe("the context", () => {
  const words = (count: number, word: string): string => Array.from({ length: count }, () => word).join(" ");

  it("is not known before a model is loaded; then counts system prompt, thread and draft", async () => {
    expect(await chat().getContextUse({ conversationId, draft: "Hi" })).toBeNull();
    await ask(null, "One", "1");
    // Two turns of one word and four tokens each; a draft of two words.
    expect(await chat().getContextUse({ conversationId, draft: "Hello there" })).toEqual({
      used: 12,
      context: 512,
      reserved: 128,
      contextTrained: 512,
      droppedMessages: 0,
      droppedTokens: 0,
      firstMessageId: expect.any(String),
      summaryId: null,
      attachments: {},
      overflow: 0,
    });
    expect(await chat().getContextUse({ conversationId: null, draft: "Hello there" })).toMatchObject({ used: 2 });
  });

  it("drops whole oldest turns, says which, and the run records it", async () => {
    const first = await ask(null, words(150, "old"), "1");
    const second = await ask(first.id, words(150, "middle"), "2");
    const third = await ask(second.id, words(150, "new"), "3");
    const sent = engine.runs.at(-1)?.request.messages.map(({ content }) => content.split(" ")[0]);
    expect(sent).toEqual(["middle", "2", "new"]);
    expect(third.run?.prompt).toMatchObject({
      firstMessageId: second.parentId,
      droppedMessages: 2,
      droppedTokens: 159,
      context: 512,
    });
    expect(third.run?.reuse).toEqual({ kind: "context-moved", turn: null });
    expect(await chat().getContextUse({ conversationId, draft: "" })).toMatchObject({
      firstMessageId: second.parentId,
      droppedMessages: 2,
      droppedTokens: 159,
    });
  });

  it("begins where the user says", async () => {
    const first = await ask(null, "One", "1");
    const second = await ask(first.id, "Two", "2");
    await chat().setContextStart({ conversationId, messageId: second.parentId });
    await ask(second.id, "Three", "3");
    expect(engine.runs.at(-1)?.request.messages.map(({ content }) => content)).toEqual(["Two", "2", "Three"]);
    expect(await chat().getContextUse({ conversationId, draft: "" })).toMatchObject({
      firstMessageId: second.parentId,
      droppedMessages: 2,
      droppedTokens: 10,
    });
  });

  it("that a single message exceeds fails the answer and says by how much", async () => {
    const { assistantMessage } = await chat().sendMessage({ conversationId, parentId: null, text: words(600, "long") });
    await vi.waitFor(() => expect(endedRuns()).toBe(1));
    const failed = (await tree()).find(({ id }) => id === assistantMessage.id);
    expect(failed).toMatchObject({
      state: "failed",
      run: {
        error: { message: expect.stringMatching(/takes 604 tokens and the context holds 512: shorten it by 93/) },
      },
    });
    expect(engine.runs).toHaveLength(0);
  });
});

describe("why a turn was slow", () => {
  it("is recorded with each run", async () => {
    const first = await ask(null, "One", "1");
    expect(first.run?.reuse).toEqual({ kind: "first-message", turn: null });
    const second = await ask(first.id, "Two", "2");
    expect(second.run?.reuse?.kind).toBe("kept");
    const edited = await chat().editMessage({ messageId: first.id, text: "Uno" });
    expect((await ask(edited.id, "Two", "2")).run?.reuse).toEqual({ kind: "edited", turn: 2 });
    await app.close();
    open();
    expect((await ask(second.id, "Three", "3")).run?.reuse?.kind).toBe("engine-restarted");
  });
});

describe("attachments", () => {
  const file = (text: string) => ({
    name: "a.txt",
    kind: "text" as const,
    language: "",
    bytes: text.length,
    facts: {},
    text,
  });
  const add = (text: string) => app.handlers.attachments.add({ conversationId, attachment: file(text) });
  const unsent = async () => (await app.handlers.attachments.listUnsent({}))[conversationId] ?? [];

  it("outlive a restart unsent, go into the prompt before the words, and stay with the message, its versions and forks", async () => {
    const { id } = await add("The Rhine is long.");
    await app.close();
    open();
    expect(await unsent()).toMatchObject([{ id, name: "a.txt", characters: 18 }]);
    const turn = await chat().sendMessage({ conversationId, parentId: null, text: "Why?", attachmentIds: [id] });
    expect(turn.userMessage?.attachments).toMatchObject([{ id, name: "a.txt" }]);
    expect(events.filter(({ event }) => event === "unsentChanged").map(({ payload }) => payload)).toEqual([
      { conversationId, attachments: [] },
    ]);
    const answer = await finish(turn.assistantMessage.id, "So.");
    const prompt = "Attached file: a.txt\n```\nThe Rhine is long.\n```\n\nWhy?";
    expect(engine.runs.at(-1)?.request.messages).toEqual([{ role: "user", content: prompt }]);
    expect(await app.handlers.attachments.getText({ attachmentId: id })).toBe("The Rhine is long.");

    const again = await chat().sendMessage({ conversationId, parentId: null, text: "How?", attachmentIds: [id] });
    await finish(again.assistantMessage.id, "Thus.");
    expect(engine.runs.at(-1)?.request.messages[0]?.content).toContain("```\n\nHow?");
    const edited = await chat().editMessage({ messageId: turn.userMessage?.id ?? "", text: "When?" });
    expect(edited.attachments).toMatchObject([{ name: "a.txt" }]);

    const fork = await chat().forkConversation({ messageId: answer.id });
    expect((await chat().getMessages({ conversationId: fork.id }))[0]?.attachments).toMatchObject([{ name: "a.txt" }]);
  });

  it("need no words, and then name the conversation", async () => {
    const { id } = await add("x");
    const turn = await chat().sendMessage({ conversationId, parentId: null, text: "", attachmentIds: [id] });
    await finish(turn.assistantMessage.id, "Yes");
    expect((await chat().listConversations({}))[0]?.title).toBe("a.txt");
    const empty = await app.dispatch("chat", "sendMessage", { conversationId, parentId: null, text: " " });
    expect(empty).toMatchObject({ ok: false, error: { code: "bad-argument" } });
  });

  it("are counted before they are sent, with what they are too long by", async () => {
    const { id } = await add("one two three");
    const { id: long } = await add("word ".repeat(600));
    await app.handlers.models.load({ modelId: (await app.handlers.models.list({}))[0]?.id ?? "" });
    const use = await chat().getContextUse({ conversationId, draft: "Hi", attachmentIds: [id, "gone"] });
    const context = use?.context ?? 0;
    // Three words of the name's line, fences included, and two more.
    expect(use).toMatchObject({ attachments: { [id]: 5, gone: 0 }, used: 6, overflow: 0 });
    const over = await chat().getContextUse({ conversationId, draft: "Hi", attachmentIds: [long] });
    expect(over?.overflow).toBe(603 + 1 + (over?.reserved ?? 0) - context);
  });

  it("are refused above what one message takes", async () => {
    await add("x".repeat(1_500_000));
    await expect(add("y".repeat(600_000))).rejects.toMatchObject({
      code: "bad-argument",
      message: expect.stringContaining("100,000 characters over"),
    });
    expect(await unsent()).toHaveLength(1);
  });
});

describe("a summary", () => {
  const words = (count: number, word: string): string => Array.from({ length: count }, () => word).join(" ");
  const summaries = () => app.handlers.summaries;
  const contents = (): string[] => engine.runs.at(-1)?.request.messages.map(({ content }) => content) ?? [];

  async function longConversation(): Promise<Message> {
    const first = await ask(null, words(100, "old"), "1");
    const second = await ask(first.id, words(100, "middle"), "2");
    return ask(second.id, words(150, "new"), "3");
  }

  it("is written of what no longer fits, stands in for it, can be changed and taken away, and loses nothing", async () => {
    const third = await longConversation();
    const writing = summaries().write({ conversationId });
    const run = await nextRun();
    expect(run.request.messages).toMatchObject([{ role: "user", content: expect.stringContaining("User: old old") }]);
    expect(run.request.messages[0]?.content).not.toContain("new new");
    await expect(chat().sendMessage({ conversationId, parentId: third.id, text: "Hi" })).rejects.toMatchObject({
      code: "conflict",
    });
    run.say("<think>hm</think>They spoke");
    run.say(" of old things.");
    run.end();
    const summary = await writing;
    expect(summary).toMatchObject({ text: "They spoke of old things.", edited: false, messages: 4 });
    expect(events.filter(({ event }) => event === "growing").at(-1)?.payload).toMatchObject({
      text: "They spoke of old things.",
      part: 1,
      parts: 1,
      firstMessageId: summary.firstMessageId,
    });

    const fourth = await ask(third.id, "And now?", "4");
    expect(contents()[0]).toContain("in short:\nThey spoke of old things.");
    expect(contents()[1]).toMatch(/^new new/);
    expect(fourth.run?.prompt).toMatchObject({ summaryId: summary.id, firstMessageId: summary.firstMessageId });
    expect(fourth.run?.reuse?.kind).toBe("context-moved");
    expect(await chat().getContextUse({ conversationId, draft: "" })).toMatchObject({ summaryId: summary.id });
    expect(await tree()).toHaveLength(8);

    await summaries().edit({ summaryId: summary.id, text: "Old talk." });
    const fifth = await ask(fourth.id, "More?", "5");
    expect(contents()[0]).toContain("Old talk.");
    const fork = await chat().forkConversation({ messageId: fifth.id });
    expect(await summaries().list({ conversationId: fork.id })).toMatchObject([{ text: "Old talk.", edited: true }]);
    await summaries().remove({ summaryId: summary.id });
    await ask(fifth.id, "Once more?", "6");
    expect(contents().join()).not.toContain("Old talk.");
    await summaries().restore({ summaryId: summary.id });
    expect(await summaries().list({ conversationId })).toHaveLength(1);
  });

  it("that is stopped changes nothing, and none is written while everything fits", async () => {
    await ask(null, "One", "1");
    await expect(summaries().write({ conversationId })).rejects.toMatchObject({ code: "conflict" });
    conversationId = (await chat().createConversation({})).id;
    await longConversation();
    const writing = summaries().write({ conversationId });
    const refused = expect(writing).rejects.toMatchObject({ code: "cancelled" });
    (await nextRun()).say("They");
    await summaries().stop({ conversationId });
    await refused;
    expect(await summaries().list({ conversationId })).toEqual([]);
  });

  it("of more than the context holds is told in parts, each with what came before", async () => {
    await app.handlers.chat.updateConversation({ conversationId, sampler: { maxTokens: 10 } });
    const text = JSON.stringify({
      messages: Array.from({ length: 8 }, (_, index) => ({
        role: index % 2 === 0 ? "user" : "assistant",
        content: words(200, `w${index}`),
      })),
    });
    const [imported] = await app.handlers.library.importConversations({ text });
    const writing = summaries().write({ conversationId: imported?.id ?? "" });
    let parts = 0;
    for (;;) {
      const run = await nextRun();
      parts += 1;
      run.say(`Part ${parts}.`);
      const more = events.findLast(({ event }) => event === "growing")?.payload as { part: number; parts: number };
      if (parts > 1) expect(run.request.messages[0]?.content).toContain(`Part ${parts - 1}.`);
      run.end();
      if (more.part === more.parts) break;
    }
    expect(parts).toBeGreaterThan(2);
    expect(await writing).toMatchObject({ text: `Part ${parts}.` });
  });
});
