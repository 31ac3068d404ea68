// The bridge of the web entry: one WebSocket to the page's own origin, calls matched to answers by id, events fanned out
// to listeners. Reconnects with back-off; calls under way when the line breaks fail rather than hang.
import { decodeFrame, encodeFrame } from "../../electron/contract/codec.ts";
import { t } from "../i18n/texts.ts";
import type { Answer, Bridge, ConnectionState } from "./bridge.ts";

const firstRetryMs = 250;
const longestRetryMs = 5_000;

interface Pending {
  resolve(answer: Answer): void;
}

interface AnswerFrame {
  readonly id: number;
  readonly ok: boolean;
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
const isAnswer = (frame: unknown): frame is AnswerFrame & Answer =>
  isRecord(frame) && typeof frame["id"] === "number" && typeof frame["ok"] === "boolean";

export function createSocketBridge(url = `ws://${window.location.host}/socket`): Bridge {
  const listeners = new Map<string, Set<(payload: unknown) => void>>();
  const connectionListeners = new Set<(state: ConnectionState) => void>();
  const pending = new Map<number, Pending>();
  const waiting: string[] = [];
  let state: ConnectionState = "connecting";
  let socket: WebSocket | null = null;
  let retryMs = firstRetryMs;
  let nextId = 1;

  const setState = (next: ConnectionState): void => {
    state = next;
    for (const listener of connectionListeners) listener(next);
  };

  const failPending = (): void => {
    const lost: Answer = { ok: false, error: { code: "io", message: t("platform.connectionLost") } };
    for (const call of pending.values()) call.resolve(lost);
    pending.clear();
  };

  const receive = (text: string): void => {
    const frame = decodeFrame(text);
    if (isAnswer(frame)) {
      pending.get(frame.id)?.resolve(frame);
      pending.delete(frame.id);
      return;
    }
    if (!isRecord(frame)) return;
    for (const listener of listeners.get(`${String(frame["service"])}/${String(frame["event"])}`) ?? []) {
      listener(frame["payload"]);
    }
  };

  const connect = (): void => {
    const opened = new WebSocket(url);
    socket = opened;
    opened.addEventListener("open", () => {
      retryMs = firstRetryMs;
      setState("open");
      for (const text of waiting.splice(0)) opened.send(text);
    });
    opened.addEventListener("message", (event: MessageEvent<unknown>) => {
      if (typeof event.data === "string") receive(event.data);
    });
    opened.addEventListener("close", () => {
      if (socket !== opened) return;
      waiting.length = 0;
      failPending();
      setState("lost");
      setTimeout(connect, retryMs);
      retryMs = Math.min(retryMs * 2, longestRetryMs);
    });
  };
  connect();

  return {
    call: (service, call, input) =>
      new Promise((resolve) => {
        const id = nextId++;
        pending.set(id, { resolve });
        const text = encodeFrame({ id, service, call, input });
        if (socket?.readyState === WebSocket.OPEN) socket.send(text);
        else waiting.push(text);
      }),
    on: (service, event, listener) => {
      const key = `${service}/${event}`;
      const set = listeners.get(key) ?? new Set();
      listeners.set(key, set);
      set.add(listener);
      return () => set.delete(listener);
    },
    onConnection: (listener) => {
      connectionListeners.add(listener);
      listener(state);
      return () => connectionListeners.delete(listener);
    },
  };
}
