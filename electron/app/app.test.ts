// The small parts of the composition root.
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AppError } from "../contract/errors.ts";
import type { Handlers } from "../contract/ipc.ts";
import { dataFolder } from "./dataFolder.ts";
import { createDispatch } from "./dispatch.ts";
import { createEventBus } from "./eventBus.ts";
import { parseExternalUrl } from "./externalUrl.ts";
import { createLog, redact } from "./log.ts";
import { createRateLimit } from "./rateLimit.ts";

describe("log", () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "conclave-log-"))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it("writes one line per event with its facts", () => {
    const log = createLog(folder, { now: () => new Date(0) });
    log.info("run ended", { tokens: 3, text: "two\nlines" });
    expect(readFileSync(log.file, "utf8")).toBe(
      '1970-01-01T00:00:00.000Z info run ended tokens=3 text="two\\nlines"\n',
    );
  });

  it("turns over and keeps a bounded number of files", () => {
    const log = createLog(folder, { maxBytes: 200, keptFiles: 2 });
    for (let index = 0; index < 50; index += 1) log.warning("event", { index });
    expect(existsSync(`${log.file}.1`) && existsSync(`${log.file}.2`)).toBe(true);
    expect(existsSync(`${log.file}.3`)).toBe(false);
    expect(readFileSync(log.file, "utf8")).toContain("index=49");
  });

  it("blots out the home folder, tokens and long texts", () => {
    expect(redact("cannot read /home/ann/x", "/home/ann")).toBe("cannot read ~/x");
    expect(redact("GET /?token=abc123&x=1", "")).toBe("GET /?token=…&x=1");
    expect(String(redact("x".repeat(5000), ""))).toHaveLength(401);
  });
});

describe("rate limit", () => {
  it("allows a burst, then a rate", () => {
    let time = 0;
    const limit = createRateLimit(3, 10, () => time);
    expect([1, 2, 3, 4].map(() => limit.take())).toEqual([true, true, true, false]);
    time = 100;
    expect([limit.take(), limit.take()]).toEqual([true, false]);
  });
});

describe("event bus", () => {
  it("goes on to the next listener when one throws, and stops on request", () => {
    const errors: unknown[] = [];
    const heard: string[] = [];
    const bus = createEventBus((error) => errors.push(error));
    bus.subscribe(() => {
      throw new Error("broken");
    });
    const off = bus.subscribe(({ service, event }) => heard.push(`${service}/${event}`));
    bus.publish("chat", "conversationDeleted", { conversationId: "c" });
    off();
    bus.publish("chat", "conversationDeleted", { conversationId: "c" });
    expect(heard).toEqual(["chat/conversationDeleted"]);
    expect(errors).toHaveLength(2);
  });
});

describe("dispatch", () => {
  it("reports failures that are the app's own, and passes the caller's errors quietly", async () => {
    const failures: string[] = [];
    const failing = (error: unknown) => {
      const get = async (): Promise<never> => {
        throw error;
      };
      return { settings: { get } } as unknown as Handlers;
    };
    const run = (error: unknown) =>
      createDispatch(failing(error), (channel) => failures.push(channel))("settings", "get", {});
    expect(await run(new AppError("not-found", "Gone."))).toEqual({
      ok: false,
      error: { code: "not-found", message: "Gone." },
    });
    expect(failures).toEqual([]);
    expect(await run(new TypeError("oops"))).toMatchObject({ ok: false, error: { code: "internal", message: "oops" } });
    expect(failures).toEqual(["settings.get"]);
  });
});

describe("external addresses", () => {
  it.each(["https://example.org/", "http://127.0.0.1:1/x", "mailto:ann@example.org"])("may leave: %s", (url) =>
    expect(parseExternalUrl(url)?.href).toBe(url),
  );
  it.each([
    "file:///x",
    "smb://h/x",
    "javascript:alert(1)",
    "ms-msdt:/id",
    "data:text/html,x",
    "https://u:p@h/",
    "//h",
    "",
    "https://",
  ])("may not: %s", (url) => expect(parseExternalUrl(url)).toBeNull());
});

describe("data folder", () => {
  it("is the chosen one, else the environment's, else the system's usual place", () => {
    expect(dataFolder("/a", { CONCLAVE_DATA: "/b" })).toBe("/a");
    expect(dataFolder(undefined, { CONCLAVE_DATA: "/b" })).toBe("/b");
    expect(dataFolder(undefined, { XDG_DATA_HOME: "/d" }, "linux")).toBe("/d/conclave");
    expect(dataFolder(undefined, {}, "darwin")).toMatch(/Library\/Application Support\/Conclave$/);
  });
});
