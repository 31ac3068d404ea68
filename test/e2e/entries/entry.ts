// What a spec can do to a running app, whichever entry it came in by.
import { fileURLToPath } from "node:url";
import type { Page } from "@playwright/test";

export interface StartedApp {
  readonly page: Page;
  /** Where the page lives: scheme, host and port, as the page itself sees them. */
  readonly origin: string;
  /** kill -9 of the engine process, as the kernel does when memory runs out. */
  killEngine(): Promise<void>;
  /** Clicks a link with `click` and answers the question about it. @returns the addresses that left the app. */
  answerLink(click: () => Promise<void>, answer: "open" | "cancel"): Promise<readonly string[]>;
  /** Adds a model file as a user of this entry does; the list of models is open. */
  addModelFile(path: string): Promise<void>;
  /** Saves what `click` offers, as a user of this entry does. @returns where the file is. */
  saveOffered(click: () => Promise<void>): Promise<string>;
  /** What the processes printed so far. */
  log(): string;
  /** Closes as a user does, and waits until everything is stored. */
  close(): Promise<void>;
}

export type Entry = "web" | "electron-double" | "electron";

export const repositoryRoot = fileURLToPath(new URL("../../..", import.meta.url));

/** The environment of an app that must not see, or touch, anything of the user's. */
export function cleanEnvironment(dataFolder: string): NodeJS.ProcessEnv {
  const keep = Object.entries(process.env).filter(
    ([name]) => !/^(CONCLAVE_|ELECTRON_|XDG_|NODE_OPTIONS|VITEST|PW)/.test(name),
  );
  return {
    ...Object.fromEntries(keep),
    CONCLAVE_DATA: dataFolder,
    CONCLAVE_CHROMIUM: process.env["CONCLAVE_CHROMIUM"],
    XDG_CONFIG_HOME: `${dataFolder}/config`,
  };
}
