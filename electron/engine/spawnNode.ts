// The engine process as a child of Node: for the web entry, the command line and the tests.
import { fork } from "node:child_process";
import { StderrTail, type EngineExit, type EngineProcess, type SpawnEngine } from "./transport.ts";

/** `hostPath`: the built host.js, or host.ts itself. */
export function spawnWithChildProcess(hostPath: string): SpawnEngine {
  return (): EngineProcess => {
    // Typed arrays survive only the 'advanced' serialisation. Standard output belongs to whoever started us.
    const child = fork(hostPath, [], { serialization: "advanced", stdio: ["ignore", "ignore", "pipe", "ipc"] });
    const stderr = new StderrTail();
    child.stderr?.setEncoding("utf8").on("data", (text: string) => stderr.push(text));
    let startError: Error | null = null;
    return {
      get pid() {
        return child.pid ?? null;
      },
      send(message) {
        if (child.connected) child.send(message, () => {});
      },
      onMessage(listener) {
        child.on("message", listener);
      },
      onExit(listener) {
        let told = false;
        const tell = (exit: EngineExit): void => {
          if (!told) listener(exit);
          told = true;
        };
        // 'close' rather than 'exit': by then the last of stderr has been read.
        child.on("close", (code, signal) => tell({ code, signal, stderr: startError?.message ?? stderr.text }));
        child.on("error", (error) => {
          startError = error;
          if (child.pid === undefined) tell({ code: null, signal: null, stderr: error.message });
        });
      },
      kill() {
        child.kill("SIGKILL");
      },
    };
  };
}
