/**
 * utilityProcess.fork over a Node child. The child's file runs unmodified: `utilityChild.ts` gives it `process.parentPort`
 * and takes away `process.send`, so code that would only work under child_process fails here too.
 */
import { fork as forkNode, type ChildProcess } from "node:child_process";
import { EventEmitter } from "node:events";
import { constants } from "node:os";
import type { Readable } from "node:stream";
import { appEvents, isReady } from "./runtime.ts";
import { PortTunnel, type MessagePortMain, type PortFrame } from "./messagePorts.ts";

/** Over Node's IPC, v8-serialised, in both directions. */
export type UtilityFrame = { kind: "message"; data: unknown; ports: number[] } | { kind: "port"; frame: PortFrame };

const running = new Set<UtilityProcess>();
const bootstrap = new URL("./utilityChild.ts", import.meta.url).href;

class UtilityProcess extends EventEmitter implements Pick<Electron.UtilityProcess, "kill" | "pid"> {
  readonly serviceName: string;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  pid: number | undefined;
  readonly #child: ChildProcess;
  readonly #tunnel: PortTunnel;

  constructor(child: ChildProcess, serviceName: string) {
    super();
    this.#child = child;
    this.serviceName = serviceName;
    this.stdout = child.stdout;
    this.stderr = child.stderr;
    this.#tunnel = new PortTunnel(1, (frame) => this.#post({ kind: "port", frame }));
    running.add(this);
    child.once("spawn", () => {
      this.pid = child.pid;
      this.emit("spawn");
    });
    child.on("message", (frame) => this.#receive(frame as UtilityFrame));
    child.once("exit", (code, signal) => this.#exited(code, signal));
  }

  postMessage(message: unknown, transfer: MessagePortMain[] = []): void {
    this.#post({
      kind: "message",
      data: message,
      ports: transfer.map((port) => this.#tunnel.export(port.takeEndpoint())),
    });
  }

  kill(): boolean {
    return this.#child.kill("SIGTERM");
  }

  /** For the test: as the kernel's out-of-memory killer would. @returns the pid. */
  crash(): number | undefined {
    this.#child.kill("SIGKILL");
    return this.#child.pid;
  }

  #post(frame: UtilityFrame): void {
    if (this.#child.connected) this.#child.send(frame);
  }

  #receive(frame: UtilityFrame): void {
    if (frame.kind === "port") this.#tunnel.receive(frame.frame);
    // Electron passes only the message here; ports come with the MessagePort API.
    else this.emit("message", frame.data);
  }

  #exited(code: number | null, signal: NodeJS.Signals | null): void {
    running.delete(this);
    this.pid = undefined;
    this.#tunnel.closeAll();
    const exitCode = code ?? (signal ? constants.signals[signal] : 0);
    this.emit("exit", exitCode);
    if (exitCode === 0) return;
    const killed = signal === "SIGTERM" || signal === "SIGKILL";
    const reason = signal === null ? "abnormal-exit" : killed ? "killed" : "crashed";
    appEvents.emit(
      "child-process-gone",
      {},
      { type: "Utility", reason, exitCode, serviceName: "node.mojom.NodeService", name: this.serviceName },
    );
  }
}

export const utilityProcess = {
  fork(modulePath: string, args: string[] = [], options: Electron.ForkOptions = {}): UtilityProcess {
    if (!isReady()) throw new Error("utilityProcess cannot be created before app is ready.");
    const stdio = Array.isArray(options.stdio)
      ? options.stdio.slice(1)
      : [options.stdio ?? "inherit", options.stdio ?? "inherit"];
    const child = forkNode(modulePath, args, {
      execArgv: ["--import", bootstrap, ...(options.execArgv ?? [])],
      env: (options.env ?? process.env) as NodeJS.ProcessEnv,
      stdio: ["ignore", ...stdio, "ipc"] as ("ignore" | "inherit" | "pipe" | "ipc")[],
      serialization: "advanced",
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    return new UtilityProcess(child, options.serviceName ?? "Node Utility Process");
  },
};

/** They end with the app. */
export async function endUtilityProcesses(): Promise<void> {
  await Promise.all(
    [...running].map((utility) => {
      const ended = new Promise((resolve) => utility.once("exit", resolve));
      utility.crash();
      return ended;
    }),
  );
}

export function runningUtilityProcesses(): ReadonlySet<UtilityProcess> {
  return running;
}
