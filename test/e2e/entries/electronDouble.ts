// The desktop entry, unmodified, on the stand-in for Electron (test/electron-double).
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ElectronDouble } from "../../electron-double/launch.ts";
import { cleanEnvironment, repositoryRoot, type StartedApp } from "./entry.ts";

export async function startOnDouble(dataFolder: string): Promise<StartedApp & { readonly double: ElectronDouble }> {
  const double = await ElectronDouble.launch({
    main: join(repositoryRoot, "out/app/main.js"),
    cwd: repositoryRoot,
    env: cleanEnvironment(dataFolder),
  });
  const page = await double.firstWindow();
  await page.waitForLoadState();
  return {
    page,
    double,
    origin: new URL(page.url()).origin,
    log: () => double.log,
    async killEngine() {
      const pids = await double.crash.utilityProcess();
      if (pids.length === 0) throw new Error(`There is no engine process to kill:\n${double.log}`);
    },
    async answerLink(click, answer) {
      const before = (await double.calls("shell", "openExternal")).length;
      const asked = (await double.calls("dialog", "showMessageBox")).length;
      await double.dialog.answerNext("showMessageBox", { choose: answer === "open" ? "confirm" : "cancel" });
      await click();
      while ((await double.calls("dialog", "showMessageBox")).length === asked) await page.waitForTimeout(50);
      if (answer === "open")
        while ((await double.calls("shell", "openExternal")).length === before) await page.waitForTimeout(50);
      return (await double.calls("shell", "openExternal")).slice(before).map((call) => String(call.args[0]));
    },
    async saveOffered(click) {
      const path = join(dataFolder, `saved-${randomUUID()}`);
      await double.dialog.answerNext("showSaveDialog", { canceled: false, filePath: path });
      await click();
      while (!existsSync(path)) await page.waitForTimeout(50);
      return path;
    },
    async addModelFile(path) {
      await double.dialog.answerNext("showOpenDialog", { canceled: false, filePaths: [path] });
      await page.getByRole("button", { name: "Use a file I have" }).click();
    },
    async close() {
      const code = await double.close();
      if (code !== 0) throw new Error(`The app ended with ${String(code)}:\n${double.log}`);
    },
  };
}
