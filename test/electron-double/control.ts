/**
 * The test's hand inside the app process: a small request-answer protocol over the IPC channel the test spawned it with.
 * The channel is hidden from production code, which must not find a `process.send` that Electron would not give it.
 */
import { app } from "./app.ts";
import { openWindows } from "./browserWindow.ts";
import { clickMenu } from "./menu.ts";
import { answerNext, recordedCalls, type RecordedCall } from "./record.ts";
import { theBrowser } from "./runtime.ts";
import { runningUtilityProcesses } from "./utilityProcess.ts";

export type WindowFacts = { id: number; targetId: string; url: string; title: string; visible: boolean };
export type ControlCommands = {
  endpoint: { args: []; answer: string };
  windows: { args: []; answer: WindowFacts[] };
  calls: { args: []; answer: readonly RecordedCall[] };
  answerNext: { args: [method: string, answer: unknown]; answer: null };
  clickMenu: { args: [name: string]; answer: null };
  /** kill -9; answers with the pids. */
  crashUtilityProcess: { args: []; answer: number[] };
  closeWindow: { args: [id: number]; answer: null };
  quit: { args: []; answer: null };
};
export type ControlName = keyof ControlCommands;
export type ControlRequest = { control: number; name: ControlName; args: unknown[] };
export type ControlAnswer = { control: number; answer?: unknown; error?: string };

const commands: {
  [Name in ControlName]: (
    ...args: ControlCommands[Name]["args"]
  ) => ControlCommands[Name]["answer"] | Promise<ControlCommands[Name]["answer"]>;
} = {
  endpoint: async () => {
    await app.whenReady();
    return theBrowser().endpoint;
  },
  windows: () =>
    openWindows().map((window) => ({
      id: window.id,
      targetId: window.webContents.targetId,
      url: window.webContents.getURL(),
      title: window.getTitle(),
      visible: window.isVisible(),
    })),
  calls: () => recordedCalls(),
  answerNext: (method, prepared) => (answerNext(method, prepared), null),
  clickMenu: (name) => (clickMenu(name), null),
  crashUtilityProcess: () => [...runningUtilityProcesses()].flatMap((utility) => utility.crash() ?? []),
  closeWindow: (id) => (
    openWindows()
      .find((window) => window.id === id)
      ?.close(),
    null
  ),
  quit: () => (setImmediate(() => app.quit()), null),
};

export function listenToTest(): void {
  const send = process.send?.bind(process);
  if (!send) return;
  const post = (reply: ControlAnswer): void => void send(reply);
  process.on("message", (request: ControlRequest) => void obey(request, post));
  // The test has gone: do not outlive it.
  process.once("disconnect", () => app.exit(0));
  process.channel?.unref();
  Object.defineProperty(process, "send", { value: undefined });
}

async function obey({ control, name, args }: ControlRequest, post: (answer: ControlAnswer) => void): Promise<void> {
  try {
    const command = commands[name] as (...args: unknown[]) => unknown;
    post({ control, answer: await command(...args) });
  } catch (error) {
    post({ control, error: String(error) });
  }
}
