// Disks that refuse: full (a small tmpfs) and read-only (a remount, because root may write anywhere else). Nothing that
// was said may be lost. Needs root and mount; says so loudly where it has to skip.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statfsSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type App, createApp } from "../../electron/app/createApp.ts";
import type { PublishedEvent } from "../../electron/app/eventBus.ts";
import { createLog } from "../../electron/app/log.ts";
import { openDatabase } from "../../electron/db/openDatabase.ts";
import { createScriptedEngine, type ScriptedEngine, type ScriptedRun } from "../fixtures/scriptedEngine.ts";

const mount = (...args: string[]): void => void execFileSync("mount", args, { stdio: "pipe" });
const unmount = (folder: string): void => void execFileSync("umount", [folder], { stdio: "pipe" });

function mountComplaint(): string | null {
  if (process.platform !== "linux") return "not Linux";
  const folder = mkdtempSync(join(tmpdir(), "conclave-mount-"));
  try {
    mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", folder);
    unmount(folder);
    return null;
  } catch (error) {
    return `no tmpfs can be mounted (${String(error).split("\n")[0]})`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const complaint = mountComplaint();
if (complaint !== null)
  process.stderr.write(`\nSKIPPED: full and read-only disks are not tested here: ${complaint}.\n\n`);

describe.skipIf(complaint !== null)("a disk that refuses", () => {
  let outside: string;
  let disk: string;
  let app: App | undefined;
  let engine: ScriptedEngine;
  let events: PublishedEvent[];

  beforeEach(() => {
    outside = mkdtempSync(join(tmpdir(), "conclave-disk-"));
    disk = join(outside, "disk");
    mkdirSync(disk);
    writeFileSync(join(outside, "tiny-Q8_0.gguf"), "abc");
    mount("-t", "tmpfs", "-o", "size=2m", "tmpfs", disk);
    engine = createScriptedEngine();
    events = [];
  });
  afterEach(async () => {
    await app?.close();
    app = undefined;
    unmount(disk);
    rmSync(outside, { recursive: true });
  });

  function open(): App {
    app = createApp({
      version: "0",
      entry: "web",
      dataFolder: join(disk, "data"),
      modelFolders: [outside],
      engine,
      log: createLog(join(outside, "logs")),
      pickModelFile: async () => null,
      openExternal: async () => false,
    });
    app.subscribe((event) => events.push(event));
    return app;
  }

  /** Leaves less free than SQLite's next page. @returns a function that frees it again. */
  function fillDisk(): () => void {
    const filler = join(disk, "filler");
    const { bavail, bsize } = statfsSync(disk);
    writeFileSync(filler, new Uint8Array(bavail * bsize));
    return () => unlinkSync(filler);
  }

  async function begin({ handlers }: App): Promise<{ conversationId: string; run: ScriptedRun }> {
    const { id } = await handlers.chat.createConversation({});
    await handlers.chat.sendMessage({ conversationId: id, parentId: null, text: "Question" });
    await vi.waitFor(() => expect(engine.runs).toHaveLength(1));
    const [run] = engine.runs;
    if (run === undefined) throw new Error("unreachable");
    return { conversationId: id, run };
  }

  const notices = (level: string): unknown[] =>
    events.filter((one) => one.event === "notice" && (one.payload as { level: string }).level === level);
  const answerOf = async (conversationId: string) => (await app?.handlers.chat.getMessages({ conversationId }))?.[1];

  it("full in mid-answer: says so, keeps every word, and saves them once there is room", async () => {
    const { conversationId, run } = await begin(open());
    run.say("Stored. ");
    const free = fillDisk();
    const long = "unsaved words ".repeat(20_000);
    run.say(long);
    await vi.waitFor(() => expect(notices("error")).toHaveLength(1), 5000);
    expect(notices("error")[0]).toMatchObject({
      payload: { message: expect.stringMatching(/disk.*is full; free some space/) },
    });
    run.end();
    await vi.waitFor(() => expect(events.some((one) => one.event === "runEnded")).toBe(true));
    expect(await answerOf(conversationId)).toMatchObject({ state: "complete", parts: [{ text: `Stored. ${long}` }] });
    await expect(
      app?.handlers.chat.createConversation({ title: "x".repeat(300) }).then(async () => {
        for (let index = 0; index < 200; index += 1)
          await app?.handlers.chat.createConversation({ title: "x".repeat(300) });
      }),
    ).rejects.toMatchObject({ code: "disk-full" });

    free();
    await vi.waitFor(() => expect(notices("info")).toHaveLength(1), 5000);
    await app?.close();
    const reopened = open();
    const [, answer] = await reopened.handlers.chat.getMessages({ conversationId });
    expect(answer).toMatchObject({ state: "complete", hasTrace: true, parts: [{ text: `Stored. ${long}` }] });
  });

  it("full at the send: refuses in one sentence and leaves no half turn", async () => {
    const { handlers } = open();
    const { id } = await handlers.chat.createConversation({});
    await handlers.models.list({});
    const free = fillDisk();
    const text = "A very long question. ".repeat(20_000);
    await expect(handlers.chat.sendMessage({ conversationId: id, parentId: null, text })).rejects.toMatchObject({
      code: "disk-full",
      message: expect.stringContaining(disk),
    });
    expect(await handlers.chat.getMessages({ conversationId: id })).toEqual([]);
    free();
    await handlers.chat.sendMessage({ conversationId: id, parentId: null, text });
  });

  it("full at the first start: one sentence, and a start with room works", () => {
    const free = fillDisk();
    expect(() => openDatabase(join(disk, "data"))).toThrow(expect.objectContaining({ code: "disk-full" }));
    free();
    openDatabase(join(disk, "data")).database.close();
  });

  it("read-only at the start: one sentence that names the folder, and nothing is changed", async () => {
    open();
    await app?.handlers.chat.createConversation({ title: "Kept" });
    await app?.close();
    app = undefined;
    mount("-o", "remount,ro", disk);
    try {
      expect(() => openDatabase(join(disk, "data"))).toThrow(
        expect.objectContaining({ code: "read-only", message: expect.stringContaining(join(disk, "data")) }),
      );
      expect(() => openDatabase(join(disk, "new"))).toThrow(expect.objectContaining({ code: "read-only" }));
    } finally {
      mount("-o", "remount,rw", disk);
    }
    expect((await open().handlers.chat.listConversations({})).map((one) => one.title)).toEqual(["Kept"]);
  });
});
