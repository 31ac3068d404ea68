// Lifetimes and misuse of the native addon. Each scenario runs in a child of its own, because the failure looked for is
// one that no `expect` survives: a crash, a hang, or an event loop that is not let go. A scenario passes when its process
// ends by itself with status 0 and no signal.
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { scenarioNames } from "./scenarioNames.ts";

const entry = fileURLToPath(new URL("./runScenario.ts", import.meta.url));
const limitMs = 25_000;

interface Outcome {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stderr: string;
}

function runScenario(name: string): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = fork(entry, [name], { execArgv: ["--expose-gc"], stdio: ["ignore", "ignore", "pipe", "ipc"] });
    let stderr = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const timer = setTimeout(() => child.kill("SIGKILL"), limitMs);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, stderr });
    });
  });
}

test.each(scenarioNames)("%s", async (name) => {
  expect(await runScenario(name)).toEqual({ code: 0, signal: null, stderr: "" });
});
