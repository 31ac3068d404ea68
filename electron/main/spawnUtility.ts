// The engine process as Electron's utility process.
import { utilityProcess } from "electron";
import { StderrTail, type EngineProcess, type SpawnEngine } from "../engine/transport.ts";

/** `hostPath`: the built host.js. Only after app's 'ready'. */
export function spawnWithUtilityProcess(hostPath: string): SpawnEngine {
  return (): EngineProcess => {
    const child = utilityProcess.fork(hostPath, [], {
      serviceName: "Conclave engine",
      stdio: ["ignore", "ignore", "pipe"],
    });
    const stderr = new StderrTail();
    child.stderr?.on("data", (chunk: Buffer) => stderr.push(chunk.toString("utf8")));
    let ended = false;
    return {
      get pid() {
        return child.pid ?? null;
      },
      send(message) {
        if (!ended) child.postMessage(message);
      },
      onMessage(listener) {
        child.on("message", listener);
      },
      onExit(listener) {
        child.once("exit", (code) => {
          ended = true;
          listener({ code, signal: null, stderr: stderr.text });
        });
      },
      kill() {
        // UtilityProcess.kill asks politely (SIGTERM); a blocked process needs the signal that it cannot ignore.
        if (child.pid === undefined) child.kill();
        else process.kill(child.pid, "SIGKILL");
      },
    };
  };
}
