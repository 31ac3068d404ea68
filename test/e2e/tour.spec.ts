// The pictures and the film of docs/screenshots: every screen in both themes at two sizes, and a conversation with the panel
// moving. Runs only with UPDATE_SCREENSHOTS=1; look at what it wrote before you commit it.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Locator, Page } from "@playwright/test";
import { answers, composer, conversation, experts, firstWords, makeAnswersLong, send, waitUntilDone } from "./chat.ts";
import { expect, test } from "./conclaveApp.ts";
import { repositoryRoot } from "./entries/entry.ts";
import { choose } from "./looks.ts";
import { film, showPointer, toWebm } from "./recording.ts";
import { screens } from "./screens.ts";
import { smallPng } from "./smallPng.ts";
import { textsOf } from "./texts.ts";

const folder = join(repositoryRoot, "docs/screenshots");
const sizes = [
  { width: 1280, height: 800 },
  { width: 880, height: 560 },
] as const;
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
      for (const { name, open, close } of screens.filter(({ minor }) => minor !== true)) {
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
      await keep(page, `chat-${theme}-${width}`);
      await page.keyboard.press("Escape");
      await waitUntilDone(page, answer);
    }
  });
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
  await makeAnswersLong(conclaveApp);
  await showPointer(page);
  const tab = (name: string): Locator => experts(page).getByRole("tab", { name, exact: true });
  const look = (seconds: number): Promise<void> => page.waitForTimeout(seconds * 1000);
  const taken = await film(page, async () => {
    await look(1.5);
    await point(page, composer(page));
    await page.keyboard.type("Tell me a story about a fox", { delay: 55 });
    await look(0.5);
    await page.keyboard.press("Enter");
    const answer = answers(page).first();
    await firstWords(answer, 200);
    await point(page, experts(page).getByText("Last 64", { exact: true }));
    await look(4);
    await page.keyboard.press("Escape");
    await waitUntilDone(page, answer);
    await look(1);
    const map = experts(page).getByRole("img").first();
    const box = await map.boundingBox();
    if (box !== null) {
      await page.mouse.move(box.x + 20, box.y + 10, { steps: 20 });
      await page.mouse.move(box.x + box.width - 30, box.y + box.height - 12, { steps: 45 });
    }
    await look(1);
    for (const [name, seconds] of [
      ["Load", 2],
      ["Together", 2.5],
      ["Words", 2.5],
      ["Repeats", 2],
    ] as const) {
      await point(page, tab(name));
      await look(seconds);
    }
    await point(page, composer(page));
    await page.keyboard.type("And then?", { delay: 55 });
    await page.keyboard.press("Enter");
    await point(page, tab("Now"));
    await look(5);
    await page.keyboard.press("Escape");
    await waitUntilDone(page, answers(page).last());
    await point(page, conversation(page).getByRole("article").last());
    await look(2);
  });
  expect(taken.seconds).toBeGreaterThan(30);
  expect(taken.seconds).toBeLessThan(60);
  const webm = await toWebm(chromiumBrowser, taken, 400_000);
  expect(webm.length).toBeLessThan(5_000_000);
  rmSync(join(folder, "tour.webm"), { force: true });
  writeFileSync(join(folder, "tour.webm"), webm);
  console.log(`docs/screenshots/tour.webm: ${taken.seconds.toFixed(0)} s, ${(webm.length / 1e6).toFixed(1)} MB`);
});
