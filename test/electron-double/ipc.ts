/**
 * ipcMain: handlers and listeners, and the events they are given. Delivery from a page is pageIpc.ts.
 *
 * `senderFrame` is always the main frame: a preload runs in no other, so nothing else can send.
 */
import { EventEmitter } from "node:events";
import type { MessagePortMain } from "./messagePorts.ts";
import { strict } from "./strict.ts";
import type { WebContents } from "./webContents.ts";
import type { WebFrame } from "./webFrame.ts";

type InvokeHandler = (event: never, ...args: never[]) => unknown;
type IpcEvent = {
  type: "frame";
  sender: WebContents;
  senderFrame: WebFrame;
  processId: number;
  frameId: number;
  ports: MessagePortMain[];
  reply(channel: string, ...args: unknown[]): void;
};

const handlers = new Map<string, InvokeHandler>();
const emitter = new EventEmitter();

const members = {
  handle(channel: string, listener: InvokeHandler): void {
    if (handlers.has(channel)) throw new Error(`Attempted to register a second handler for '${channel}'`);
    handlers.set(channel, listener);
  },
  handleOnce(channel: string, listener: InvokeHandler): void {
    members.handle(channel, (event, ...args) => {
      handlers.delete(channel);
      return listener(event, ...args);
    });
  },
  removeHandler(channel: string): void {
    handlers.delete(channel);
  },
} satisfies Pick<Electron.IpcMain, "handle" | "handleOnce" | "removeHandler">;

export const ipcMain = strict("ipcMain", Object.assign(emitter, members));

/** @throws what the handler throws, or an error when there is none: both reach the page as the rejection of `invoke`. */
export async function dispatchInvoke(sender: WebContents, channel: string, args: unknown[]): Promise<unknown> {
  const handler = handlers.get(channel) as ((event: IpcEvent, ...args: unknown[]) => unknown) | undefined;
  if (!handler) throw new Error(`No handler registered for '${channel}'`);
  try {
    return await handler(eventFrom(sender, []), ...args);
  } catch (error) {
    console.error(`Error occurred in handler for '${channel}':`, error);
    throw error;
  }
}

export function dispatchMessage(
  sender: WebContents,
  own: EventEmitter,
  channel: string,
  args: unknown[],
  ports: MessagePortMain[],
): void {
  const event = eventFrom(sender, ports);
  sender.emit("ipc-message", event, channel, ...args);
  own.emit(channel, event, ...args);
  emitter.emit(channel, event, ...args);
}

function eventFrom(sender: WebContents, ports: MessagePortMain[]): IpcEvent {
  const { mainFrame } = sender;
  return {
    type: "frame",
    sender,
    senderFrame: mainFrame,
    processId: mainFrame.processId,
    frameId: mainFrame.routingId,
    ports,
    reply: (channel, ...args) => sender.send(channel, ...args),
  };
}
