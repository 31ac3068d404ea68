import { act, renderHook } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { TraceChunk } from "../../electron/contract/experts.ts";

const listeners = vi.hoisted(() => new Map<string, (payload: unknown) => void>());
const on = (name: string, listener: (payload: unknown) => void): void => void listeners.set(name, listener);
vi.mock("../platform/client.ts", () => ({
  client: { experts: { on, getTrace: async () => null }, chat: { on: () => {} } },
  onConnection: () => () => {},
  inBrowser: true,
}));
const { startTraceStore } = await import("./traceStore.ts");
const { useTrace } = await import("./useTrace.ts");

const chunk = (firstToken: number): TraceChunk => ({
  firstToken,
  tokens: 1,
  moeLayers: 1,
  expertCount: 4,
  expertsUsed: 1,
  experts: new Uint8Array(2),
  weights: new Uint8Array(1),
  textLengths: [1],
  drafted: new Uint8Array(1),
});
const arrive = (firstToken: number): void =>
  act(() => listeners.get("traceArrived")?.({ messageId: "a", chunk: chunk(firstToken) }));

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it("shows the first token at once, and the next ones no more often than asked", () => {
  startTraceStore();
  const { result } = renderHook(() => useTrace("a", 2));
  expect(result.current.tokens).toBe(0);
  arrive(0);
  expect(result.current.tokens).toBe(1);
  arrive(1);
  arrive(2);
  expect(result.current.tokens).toBe(1);
  act(() => void vi.advanceTimersByTime(500));
  expect(result.current.tokens).toBe(3);
});
