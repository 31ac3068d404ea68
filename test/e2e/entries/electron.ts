// The desktop entry on the real Electron, whose path is in CONCLAVE_ELECTRON (npm run test:electron finds it).
import { join } from "node:path";
import { _electron } from "@playwright/test";
import { cleanEnvironment, repositoryRoot, type StartedApp } from "./entry.ts";

export function electronPath(): string | undefined {
  return process.env["CONCLAVE_ELECTRON"];
}

export async function startOnElectron(dataFolder: string): Promise<StartedApp> {
  const executablePath = electronPath();
  if (executablePath === undefined)
    throw new Error("CONCLAVE_ELECTRON does not name an Electron; npm run test:electron does");
  const env = Object.fromEntries(
    Object.entries(cleanEnvironment(dataFolder)).filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
  const app = await _electron.launch({
    executablePath,
    args: [join(repositoryRoot, "out/app")],
    cwd: repositoryRoot,
    env,
  });
  let log = "";
  const keep = (chunk: Buffer): void => void (log += chunk.toString());
  app.process().stdout?.on("data", keep);
  app.process().stderr?.on("data", keep);
  const page = await app.firstWindow();
  await page.waitForLoadState();
  return {
    page,
    origin: "app://bundle",
    log: () => log,
    async killEngine() {
      const killed = await app.evaluate(({ app: running }) => {
        const engines = running
          .getAppMetrics()
          .filter(({ type, serviceName }) => type === "Utility" && serviceName === "node.mojom.NodeService");
        for (const { pid } of engines) process.kill(pid, "SIGKILL");
        return engines.length;
      });
      if (killed === 0) throw new Error(`There is no engine process to kill:\n${log}`);
    },
    async answerLink(click, answer) {
      await app.evaluate(({ dialog, shell }, choice) => {
        const opened: string[] = [];
        Object.assign(globalThis, { openedByTest: opened });
        Object.assign(shell, { openExternal: async (url: string) => void opened.push(url) });
        Object.assign(dialog, {
          showMessageBox: async (...args: Electron.MessageBoxOptions[]) => {
            const { cancelId = 0 } = args.at(-1) ?? {};
            Object.assign(globalThis, { askedByTest: true });
            return { response: choice === "cancel" ? cancelId : cancelId === 0 ? 1 : 0, checkboxChecked: false };
          },
        });
      }, answer);
      await click();
      const facts = () =>
        app
          .evaluate(() => globalThis as unknown as { askedByTest?: boolean; openedByTest: string[] })
          .then(({ askedByTest, openedByTest }) => ({ askedByTest, openedByTest }));
      for (;;) {
        const { askedByTest, openedByTest } = await facts();
        if (askedByTest === true && (answer === "cancel" || openedByTest.length > 0)) return openedByTest;
        await page.waitForTimeout(50);
      }
    },
    async saveOffered(click) {
      const path = join(dataFolder, "saved.file");
      const saved = app.evaluate(
        ({ session }, place) =>
          new Promise<void>((resolve) => {
            session.defaultSession.once("will-download", (_event, item) => {
              item.setSavePath(place);
              item.once("done", () => resolve());
            });
          }),
        path,
      );
      await click();
      await saved;
      return path;
    },
    async addModelFile(path) {
      await app.evaluate(({ dialog }, chosen) => {
        Object.assign(dialog, { showOpenDialog: async () => ({ canceled: false, filePaths: [chosen] }) });
      }, path);
      await page.getByRole("button", { name: "Use a file I have" }).click();
    },
    close: () => app.close(),
  };
}
