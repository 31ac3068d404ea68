// The pictures and the film of docs/screenshots: every screen in both themes at two sizes, and a conversation with the panel
// moving. Runs only with UPDATE_SCREENSHOTS=1; look at what it wrote before you commit it.
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Locator, Page } from "@playwright/test";
import { answers, composer, experts, firstWords, makeAnswersLong, send, waitUntilDone } from "./chat.ts";
import { expect, test } from "./conclaveApp.ts";
import { repositoryRoot } from "./entries/entry.ts";
import { choose } from "./looks.ts";
import { film, showPointer, toWebm } from "./recording.ts";
import { everyScreen } from "./screens.ts";
import { smallPng } from "./smallPng.ts";
import { textsOf } from "./texts.ts";

const folder = join(repositoryRoot, "docs/screenshots");
const sizes = [
  { width: 1280, height: 800 },
  { width: 880, height: 560 },
] as const;
/** What the film shows of the panel between its two stories. */
const shownTabs = ["Tokens", "Load", "Together"] as const;
const t = textsOf("en");

test.skip(process.env["UPDATE_SCREENSHOTS"] !== "1", "Pictures are taken with UPDATE_SCREENSHOTS=1.");
test.describe.configure({ mode: "serial" });

/** Some days of use: conversations, a folder, one of them pinned. */
async function someHistory(page: Page): Promise<void> {
  for (const question of ["What food does a wolf eat?", "Tell me a story about a boat and a storm", "Who are you?"]) {
    await page.keyboard.press("Control+Shift+o");
    await waitUntilDone(page, await send(page, question));
  }
  await page.keyboard.press("Control+Shift+o");
}

const pictured = everyScreen.filter(({ minor }) => minor !== true);

async function keep(page: Page, name: string): Promise<void> {
  writeFileSync(join(folder, `${name}.png`), smallPng(await page.screenshot()));
}

for (const theme of ["light", "dark"] as const) {
  test(`every screen, ${theme}`, async ({ conclaveApp }) => {
    const { page } = conclaveApp;
    test.setTimeout(300_000);
    mkdirSync(folder, { recursive: true });
    await choose(page, theme);
    await someHistory(page);
    for (const { width, height } of sizes) {
      await page.setViewportSize({ width, height });
      await page.keyboard.press("Control+Shift+o");
      for (const { name, open, close } of pictured) {
        await open(page, t);
        await page.mouse.move(0, 0);
        // Menus and dialogs open with a short movement.
        await page.waitForTimeout(250);
        await keep(page, `${name}-${theme}-${width}`);
        await close(page, t);
      }
    }
    await page.setViewportSize(sizes[0]);
    await makeAnswersLong(conclaveApp);
    for (const { width, height } of sizes) {
      await page.setViewportSize({ width, height });
      await page.keyboard.press("Control+Shift+o");
      const answer = await send(page, "Tell me a story about a fox");
      await firstWords(answer, 400);
      // The panel follows a few times a second; the engine writes hundreds of words in between. Below this width it is closed.
      if (width >= 1000) await page.locator("canvas").first().waitFor();
      await keep(page, `chat-${theme}-${width}`);
      await page.keyboard.press("Escape");
      await waitUntilDone(page, answer);
    }
  });
}

/** The engine of the app that this test started: the host process below the server below this one. */
function engineProcess(): number {
  const rows = execFileSync("ps", ["-e", "-o", "pid=,ppid=,args="], { encoding: "utf8" }).split("\n");
  const processes = rows.flatMap((row) => {
    const [, pid, parent, args = ""] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(row) ?? [];
    return pid === undefined ? [] : [{ pid: Number(pid), parent: Number(parent), args }];
  });
  const below = (parent: number, part: string): number | undefined =>
    processes.find((each) => each.parent === parent && each.args.includes(part))?.pid;
  const server = below(process.pid, "web.js");
  const engine = server === undefined ? undefined : below(server, "host.js");
  if (engine === undefined) throw new Error("The app has no engine process yet.");
  return engine;
}

/** Lets the engine run for a small part of the time, so that the eye can follow a model of ten million weights as it would one of ten billion. @returns what ends that. */
function slowDown(engine: number, runMs: number, stopMs: number): () => void {
  let going = true;
  const cycle = async (): Promise<void> => {
    while (going) {
      process.kill(engine, "SIGSTOP");
      await delay(stopMs);
      process.kill(engine, "SIGCONT");
      await delay(runMs);
    }
  };
  const ended = cycle();
  return () => {
    going = false;
    void ended;
  };
}

/** Moves the pointer as a hand does, and clicks. */
async function point(page: Page, target: Locator): Promise<void> {
  const box = await target.boundingBox();
  if (box === null) throw new Error("There is nothing to point at.");
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2, { steps: 25 });
  await page.waitForTimeout(250);
  await page.mouse.down();
  await page.mouse.up();
}

test("a conversation with the panel moving", async ({ conclaveApp, chromiumBrowser }) => {
  test.setTimeout(300_000);
  const { page } = conclaveApp;
  await page.setViewportSize({ width: 1280, height: 800 });
  await someHistory(page);
  await showPointer(page);
  const tab = (name: string): Locator => experts(page).getByRole("tab", { name, exact: true });
  const look = (seconds: number): Promise<void> => page.waitForTimeout(seconds * 1000);
  const ask = async (question: string): Promise<Locator> => {
    const before = await answers(page).count();
    await point(page, composer(page));
    await page.keyboard.type(question, { delay: 50 });
    await look(0.4);
    await page.keyboard.press("Enter");
    return answers(page).nth(before);
  };
  const goOn = slowDown(engineProcess(), 1, 80);
  const taken = await film(page, async () => {
    await look(1.5);
    const story = await ask("Tell me a story about a fox");
    await firstWords(story, 20);
    await point(page, experts(page).getByText("Last 64", { exact: true }));
    await waitUntilDone(page, story);
    await look(1);
    const box = await experts(page).getByRole("img").first().boundingBox();
    if (box === null) throw new Error("There is no heat map.");
    await page.mouse.move(box.x + 20, box.y + 10, { steps: 20 });
    await page.mouse.move(box.x + box.width - 30, box.y + box.height - 12, { steps: 45 });
    await look(1);
    for (const name of shownTabs) {
      await point(page, tab(name));
      await look(2.5);
    }
    await point(page, tab("Now"));
    const other = await ask("Tell me a story about a boat and a storm");
    await firstWords(other, 20);
    await page.mouse.move(700, 300, { steps: 25 });
    await waitUntilDone(page, other);
    await look(3);
  }).finally(goOn);
  expect(taken.seconds).toBeGreaterThan(30);
  expect(taken.seconds).toBeLessThan(70);
  const webm = await toWebm(chromiumBrowser, taken, 600_000);
  expect(webm.length).toBeLessThan(5_000_000);
  writeFileSync(join(folder, "tour.webm"), webm);
  console.log(`docs/screenshots/tour.webm: ${taken.seconds.toFixed(0)} s, ${(webm.length / 1e6).toFixed(1)} MB`);
});
