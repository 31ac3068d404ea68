// The contract over Electron's IPC: one handler per call, events sent to every window of ours. Only the main frame of such
// a window, showing our own page, is answered.
import { ipcMain, type IpcMainInvokeEvent, type WebContents } from "electron";
import type { App } from "../app/createApp.ts";
import { createRateLimit, type RateLimit, rateLimitSentence } from "../app/rateLimit.ts";
import type { CallResult } from "../app/dispatch.ts";
import { services, callChannel, eventChannel } from "../contract/ipc.ts";
import { pageOrigin } from "./pageOrigin.ts";

export interface Ipc {
  /** Its page may call and hears events from now on. */
  admit(contents: WebContents): void;
  close(): void;
}

export function serveIpc(app: Pick<App, "dispatch" | "subscribe">, onForbidden: (channel: string) => void): Ipc {
  const admitted = new Map<number, { contents: WebContents; limit: RateLimit }>();

  async function answer(event: IpcMainInvokeEvent, service: string, call: string, input: unknown): Promise<CallResult> {
    const sender = admitted.get(event.sender.id);
    if (sender === undefined || !isOwnMainFrame(event)) {
      onForbidden(callChannel(service, call));
      return { ok: false, error: { code: "forbidden", message: "This page may not use Conclave." } };
    }
    if (!sender.limit.take()) return { ok: false, error: { code: "conflict", message: rateLimitSentence } };
    return app.dispatch(service, call, input);
  }

  const channels = Object.entries(services).flatMap(([service, spec]) =>
    Object.keys(spec.calls).map((call) => ({ channel: callChannel(service, call), service, call })),
  );
  for (const { channel, service, call } of channels) {
    ipcMain.handle(channel, (event, input: unknown) => answer(event, service, call, input));
  }
  const unsubscribe = app.subscribe(({ service, event, payload }) => {
    for (const { contents } of admitted.values()) {
      if (!contents.isDestroyed()) contents.send(eventChannel(service, event), payload);
    }
  });

  return {
    admit(contents) {
      const { id } = contents;
      admitted.set(id, { contents, limit: createRateLimit() });
      contents.once("destroyed", () => admitted.delete(id));
    },
    close() {
      unsubscribe();
      for (const { channel } of channels) ipcMain.removeHandler(channel);
    },
  };
}

function isOwnMainFrame({ sender, senderFrame }: IpcMainInvokeEvent): boolean {
  return senderFrame !== null && senderFrame === sender.mainFrame && senderFrame.origin === pageOrigin;
}
