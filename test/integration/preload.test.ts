// The preload on a bare stand-in for Electron's two modules: what the page gets, and that it is what the socket gives.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createDispatch } from "../../electron/app/dispatch.ts";
import { allCallChannels, allEventChannels, type Handlers, services } from "../../electron/contract/ipc.ts";

interface Exposed {
  call(service: string, call: string, input: unknown): Promise<unknown>;
  on(service: string, event: string, listener: (payload: unknown) => void): () => void;
}

const electron = vi.hoisted(() => ({
  exposed: new Map<string, unknown>(),
  invoked: [] as [string, unknown][],
  listeners: new Map<string, (event: unknown, payload: unknown) => void>(),
}));
vi.mock("electron", () => ({
  contextBridge: { exposeInMainWorld: (name: string, value: unknown) => electron.exposed.set(name, value) },
  ipcRenderer: {
    invoke: async (channel: string, input: unknown) => {
      electron.invoked.push([channel, input]);
      return { ok: true, value: channel };
    },
    on: (channel: string, listener: (event: unknown, payload: unknown) => void) =>
      electron.listeners.set(channel, listener),
  },
}));

let conclave: Exposed;
beforeEach(async () => {
  vi.resetModules();
  await import("../../electron/preload/preload.ts");
  conclave = electron.exposed.get("conclave") as Exposed;
});
afterEach(() => {
  electron.exposed.clear();
  electron.listeners.clear();
  electron.invoked.length = 0;
});

describe("preload", () => {
  it("exposes two functions and nothing else", () => {
    expect([...electron.exposed.keys()]).toEqual(["conclave"]);
    expect(Object.keys(conclave).toSorted()).toEqual(["call", "on"]);
  });

  it("passes the contract's names only", async () => {
    expect(await conclave.call("chat", "search", { query: "x" })).toEqual({ ok: true, value: "chat.search" });
    for (const [service, call] of [
      ["chat", "nothing"],
      ["__proto__", "x"],
      ["chat.search", ""],
      ["app", "getInfo.x"],
    ] as const) {
      expect(await conclave.call(service, call, {})).toMatchObject({ ok: false, error: { code: "bad-argument" } });
    }
    expect(electron.invoked).toEqual([["chat.search", { query: "x" }]]);
    expect(() => conclave.on("chat", "secret", () => undefined)).toThrow(/no event/);
  });

  it("hands payloads to listeners, without Electron's event, until they leave", () => {
    const listener = vi.fn();
    const off = conclave.on("settings", "changed", listener);
    electron.listeners.get("settings/changed")?.({ sender: "secret" }, { theme: "dark" });
    off();
    electron.listeners.get("settings/changed")?.({}, { theme: "light" });
    expect(listener.mock.calls).toEqual([[{ theme: "dark" }]]);
  });

  it("offers the same calls and events as the socket", async () => {
    const answered: string[] = [];
    const handlers = Object.fromEntries(
      Object.entries(services).map(([service, spec]) => [
        service,
        Object.fromEntries(
          Object.keys(spec.calls).map((call) => [call, async () => answered.push(`${service}.${call}`)]),
        ),
      ]),
    ) as unknown as Handlers;
    const dispatch = createDispatch(handlers, () => undefined);
    const names = Object.entries(services).flatMap(([service, spec]) =>
      Object.keys(spec.calls).map((call) => [service, call] as const),
    );
    for (const [service, call] of names) {
      await conclave.call(service, call, {});
      // Input of the wrong shape proves as well that the socket knows the call.
      const result = await dispatch(service, call, {});
      if (!result.ok) expect(result.error.message).not.toContain("There is no call");
    }
    expect(electron.invoked.map(([channel]) => channel)).toEqual(allCallChannels());
    expect([...electron.listeners.keys()]).toEqual(allEventChannels());
  });
});
