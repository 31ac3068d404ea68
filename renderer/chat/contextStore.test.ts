import { afterEach, describe, expect, it, vi } from "vitest";
import type { ContextUse } from "../../electron/contract/chat.ts";
import type { LoadedModel } from "../../electron/contract/models.ts";

const listeners: ((loaded: LoadedModel) => void)[] = [];
vi.mock("../platform/client.ts", () => ({
  client: { models: { on: (_: string, listener: (loaded: LoadedModel) => void) => listeners.push(listener) } },
  onConnection: () => () => {},
  inBrowser: true,
}));
const { startContextStore, useContext } = await import("./contextStore.ts");

const use: ContextUse = {
  used: 300,
  reserved: 512,
  context: 1024,
  contextTrained: 1024,
  droppedMessages: 0,
  droppedTokens: 0,
  firstMessageId: null,
  summaryId: null,
  attachments: {},
  overflow: 0,
};
const ready: LoadedModel = {
  state: "ready",
  modelId: "m",
  context: 16_384,
  experts: 0,
  expertsOnGpu: 0,
  backend: "cpu",
};

describe("the gauge's store", () => {
  startContextStore();
  const load = (loaded: LoadedModel): void => listeners.forEach((listener) => listener(loaded));
  afterEach(() => useContext.setState({ use: null, loads: 0 }));

  it("takes the size of a model that is loaded for the answer under way", () => {
    useContext.setState({ use });
    load({ state: "loading", modelId: "m", doneBytes: 0, totalBytes: 1 });
    expect(useContext.getState()).toMatchObject({ use, loads: 0 });
    load(ready);
    expect(useContext.getState()).toMatchObject({ use: { ...use, context: 16_384 }, loads: 1 });
  });

  it("knows nothing before somebody asked", () => {
    load(ready);
    expect(useContext.getState()).toMatchObject({ use: null, loads: 1 });
  });
});
