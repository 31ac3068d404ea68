/**
 * The test's side: starts a production main file on the double in a process of its own, as Playwright's `_electron.launch`
 * does with the real one, and attaches Playwright to its windows.
 */
import { fork, type ChildProcess } from "node:child_process";
import { chromium, type Browser, type Page } from "playwright-core";
import type { ControlAnswer, ControlCommands, ControlName, ControlRequest } from "./control.ts";
import type { RecordedCall } from "./record.ts";

export type LaunchOptions = {
  /** The built main file. */
  main: string;
  args?: string[];
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Milliseconds until the first window must be there; 30,000 unless told. */
  timeout?: number;
};

export class ElectronDouble {
  readonly process: ChildProcess;
  readonly dialog = { answerNext: (method: string, answer: unknown) => this.#ask("answerNext", method, answer) };
  readonly menu = { click: (name: string) => this.#ask("clickMenu", name) };
  readonly crash = { utilityProcess: () => this.#ask("crashUtilityProcess") };
  readonly #timeout: number;
  readonly #waiting = new Map<number, { resolve: (answer: unknown) => void; reject: (error: Error) => void }>();
  readonly #exited: Promise<number | null>;
  #log = "";
  #browser: Browser | undefined;
  #next = 1;

  private constructor(child: ChildProcess, timeout: number) {
    this.process = child;
    this.#timeout = timeout;
    const keep = (chunk: Buffer): void => {
      this.#log = (this.#log + chunk.toString()).slice(-65_536);
    };
    child.stdout?.on("data", keep);
    child.stderr?.on("data", keep);
    child.on("message", (message) => this.#settle(message as ControlAnswer));
    this.#exited = new Promise((resolve) =>
      child.once("exit", (code) => {
        for (const { reject } of this.#waiting.values())
          reject(new Error(`The app exited with ${String(code)}:\n${this.#log}`));
        this.#waiting.clear();
        resolve(code);
      }),
    );
  }

  static async launch(options: LaunchOptions): Promise<ElectronDouble> {
    const child = fork(options.main, options.args ?? [], {
      execArgv: ["--import", new URL("./register.ts", import.meta.url).href],
      env: options.env ?? process.env,
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    const launched = new ElectronDouble(child, options.timeout ?? 30_000);
    const endpoint = await launched.#within("start its Chromium", launched.#ask("endpoint"));
    launched.#browser = await chromium.connectOverCDP(endpoint, { timeout: launched.#timeout });
    for (const context of launched.#browser.contexts()) context.setDefaultTimeout(launched.#timeout);
    return launched;
  }

  /** What the app printed, for a failing test's report. */
  get log(): string {
    return this.#log;
  }

  /** The windows in order of creation, as Playwright pages. */
  async windows(): Promise<Page[]> {
    const facts = await this.#ask("windows");
    const pages = this.#browser?.contexts().flatMap((context) => context.pages()) ?? [];
    const byTarget = new Map<string, Page>();
    for (const page of pages) byTarget.set(await targetIdOf(page), page);
    return facts.flatMap(({ targetId, url }) => (url === "" ? [] : (byTarget.get(targetId) ?? [])));
  }

  /** The first window, once it has begun to show its page. */
  async firstWindow(): Promise<Page> {
    const deadline = Date.now() + this.#timeout;
    for (;;) {
      const [page] = await this.windows();
      if (page) return page;
      if (Date.now() > deadline) throw new Error(`The app opened no window within ${this.#timeout} ms:\n${this.#log}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  windowFacts(): Promise<ControlCommands["windows"]["answer"]> {
    return this.#ask("windows");
  }

  /** Calls of `module.method` so far; of everything when not told. */
  async calls(module?: string, method?: string): Promise<RecordedCall[]> {
    const calls = await this.#ask("calls");
    return calls.filter((call) => (module ?? call.module) === call.module && (method ?? call.method) === call.method);
  }

  closeWindow(id: number): Promise<null> {
    return this.#ask("closeWindow", id);
  }

  /** Quits as a user would. @returns the exit code; null when the app had to be killed after 10 s. */
  async close(): Promise<number | null> {
    if (this.process.exitCode === null && this.process.connected) await this.#ask("quit");
    const timer = setTimeout(() => this.process.kill("SIGKILL"), 10_000);
    const code = await this.#exited;
    clearTimeout(timer);
    await this.#browser?.close();
    return code;
  }

  async #within<T>(what: string, work: Promise<T>): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      this.process.kill("SIGKILL");
      reject(new Error(`The app did not ${what} within ${this.#timeout} ms:\n${this.#log}`));
    }, this.#timeout);
    try {
      return await Promise.race([work, promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  #ask<Name extends ControlName>(
    name: Name,
    ...args: ControlCommands[Name]["args"]
  ): Promise<ControlCommands[Name]["answer"]> {
    const control = this.#next++;
    return new Promise((resolve, reject) => {
      if (!this.process.connected) return reject(new Error(`The app is gone:\n${this.#log}`));
      this.#waiting.set(control, { resolve: (answer) => resolve(answer as ControlCommands[Name]["answer"]), reject });
      this.process.send({ control, name, args } satisfies ControlRequest);
    });
  }

  #settle({ control, answer, error }: ControlAnswer): void {
    const waiting = this.#waiting.get(control);
    this.#waiting.delete(control);
    if (error === undefined) waiting?.resolve(answer);
    else waiting?.reject(new Error(error));
  }
}

async function targetIdOf(page: Page): Promise<string> {
  const session = await page.context().newCDPSession(page);
  const { targetInfo } = await session.send("Target.getTargetInfo");
  await session.detach();
  return targetInfo.targetId;
}
