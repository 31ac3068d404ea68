// For everyone: by keyboard alone, with a screen reader, without motion, in the system's own colours, and at 200 %.
import type { Page } from "@playwright/test";
import { answers, composer, firstWords, makeAnswersLong, questions, send, waitUntilDone } from "./chat.ts";
import { expect, test } from "./conclaveApp.ts";
import { cutOff, picture, violations } from "./looks.ts";
import { everyScreen } from "./screens.ts";
import { textsOf } from "./texts.ts";

const t = textsOf("en");
const mostTabs = 150;

/** Presses Tab until a control of this name has the focus, as somebody without a mouse does. */
async function tabTo(page: Page, name: string | RegExp, keys = "Tab"): Promise<void> {
  const seen: string[] = [];
  for (let presses = 0; presses < mostTabs; presses += 1) {
    await page.keyboard.press(keys);
    const focused = await page.evaluate(() => {
      const element = document.activeElement;
      return (element?.getAttribute("aria-label") ?? element?.textContent ?? "").trim();
    });
    if (typeof name === "string" ? focused === name : name.test(focused)) return;
    seen.push(focused);
  }
  throw new Error(`${mostTabs} times ${keys} did not reach ${String(name)}, but ${[...new Set(seen)].join(" | ")}.`);
}

test("a whole conversation without a mouse", async ({ conclaveApp }) => {
  const { page } = conclaveApp;
  await composer(page).focus();
  await page.keyboard.type("Who are you?");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("Tell me.");
  await page.keyboard.press("Enter");
  await waitUntilDone(page, answers(page).first());
  await expect(questions(page).first()).toContainText("Tell me.");

  // The last question again, in other words.
  await page.keyboard.press("ArrowUp");
  await expect(composer(page)).toHaveValue("Who are you?\nTell me.");
  await page.keyboard.press("Control+a");
  await page.keyboard.type("What is a fox?");
  await page.keyboard.press("Enter");
  await expect(questions(page).first()).toContainText("What is a fox?");
  await waitUntilDone(page, answers(page).first());

  // Its earlier version, and back.
  await tabTo(page, "Previous version", "Shift+Tab");
  await page.keyboard.press("Enter");
  await expect(questions(page).first()).toContainText("Who are you?");
  await tabTo(page, "Next version");
  await page.keyboard.press("Space");
  await expect(questions(page).first()).toContainText("What is a fox?");

  // Another answer, and what its menu offers.
  await tabTo(page, "Regenerate answer");
  await page.keyboard.press("Enter");
  await expect(answers(page).first()).toContainText("2/2");
  await waitUntilDone(page, answers(page).first());
  await tabTo(page, "More actions for this message");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("menuitem").first()).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("menu")).toHaveCount(0);
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);

  // Another name for it, in the sidebar.
  await page.keyboard.press("Control+k");
  await tabTo(page, /^(?:Who are you\?|What is a fox\?)/);
  await page.keyboard.press("F2");
  await expect(page.getByRole("textbox", { name: "Conversation title" })).toBeFocused();
  await page.keyboard.type("Foxes");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("button", { name: "Foxes", exact: true })).toBeVisible();

  // The panel: its tabs with the arrows, its heat map cell by cell.
  await tabTo(page, "Now");
  await page.keyboard.press("Tab");
  await tabTo(page, /^Heat map/);
  await page.keyboard.press("ArrowRight");
  await expect(page.getByText(/^L\d+ E1: /)).toBeVisible();

  // Away with it, and back.
  await page.keyboard.press("Control+Shift+d");
  await expect(page.getByRole("button", { name: "Foxes", exact: true })).toHaveCount(0);
  const undo = page.getByRole("listitem").filter({ hasText: "Conversation deleted" }).getByRole("button");
  await undo.waitFor();
  await page.keyboard.press("Alt+t");
  await expect(undo).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("button", { name: "Foxes", exact: true })).toBeVisible();
});

test("a notice lies over nothing that is typed, sent or stopped with", async ({ conclaveApp: { page } }) => {
  await page.setViewportSize({ width: 1280, height: 800 });
  await waitUntilDone(page, await send(page, "Who are you?"));
  await answers(page).first().getByRole("button", { name: "Delete message" }).click();
  await expect(page.getByRole("button", { name: "Undo" })).toBeVisible();
  const notice = await page.getByRole("listitem").filter({ hasText: "Undo" }).boundingBox();
  await composer(page).fill("And now?");
  const written = await composer(page).boundingBox();
  expect((notice?.y ?? 0) + (notice?.height ?? 0)).toBeLessThan(written?.y ?? 0);
  await page.getByRole("button", { name: "Send", exact: true }).click({ trial: true });
  await page.screenshot({ path: picture("notice.png") });

  // Esc leaves it, and goes back to the text.
  await composer(page).focus();
  await page.keyboard.press("Alt+t");
  await expect(page.getByRole("button", { name: "Undo" })).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(composer(page)).toBeFocused();
});

for (const [look, media] of [
  ["light", { colorScheme: "light" }],
  ["dark", { colorScheme: "dark" }],
  ["the system's own colours", { forcedColors: "active" }],
] as const) {
  test(`every screen passes axe, ${look}`, async ({ conclaveApp: { page } }) => {
    test.setTimeout(180_000);
    await page.emulateMedia(media);
    const found: string[] = [];
    for (const { name, open, close } of everyScreen) {
      await open(page, t);
      await page.screenshot({ path: picture(`axe/${look.replaceAll(/\W+/g, "-")}-${name}.png`) });
      for (const violation of await violations(page)) found.push(`${name}: ${violation}`);
      await close(page, t);
    }
    expect(found).toEqual([]);
  });
}

test("in the system's own colours what is on can be told from what is off", async ({ conclaveApp: { page } }) => {
  await page.emulateMedia({ forcedColors: "active" });
  const outlineOf = (label: string): Promise<string> =>
    page.getByRole("button", { name: label }).evaluate((element) => getComputedStyle(element).outlineStyle);
  await composer(page).focus();
  expect(await composer(page).evaluate((element) => getComputedStyle(element).outlineStyle)).toBe("solid");
  expect(await outlineOf("Experts pane")).toBe("solid");
  await page.keyboard.press("Control+j");
  expect(await outlineOf("Experts pane")).toBe("none");
});

test("nothing moves for those who asked for that", async ({ conclaveApp }) => {
  const { page } = conclaveApp;
  await page.emulateMedia({ reducedMotion: "reduce" });
  await makeAnswersLong(conclaveApp);
  await firstWords(await send(page, "Tell me a story about a fox"), 100);
  const moving = (): Promise<string[]> =>
    page.evaluate(() =>
      document
        .getAnimations()
        .filter(({ effect, playState }) => playState === "running" && Number(effect?.getTiming().duration) > 1)
        .map(({ effect }) => (effect instanceof KeyframeEffect ? (effect.target?.className ?? "") : "")),
    );
  for (const keys of ["Control+b", "Control+b", "Control+,", "Escape", "Control+p", "Escape"]) {
    await page.keyboard.press(keys);
    expect(await moving()).toEqual([]);
  }
});

test("a screen reader hears the beginning and the end of an answer, and no single tokens", async ({ conclaveApp }) => {
  const { page } = conclaveApp;
  await makeAnswersLong(conclaveApp);
  await page.evaluate(() => {
    const heard: string[] = [];
    Object.assign(globalThis, { heard });
    new MutationObserver(() => {
      for (const region of document.querySelectorAll("[aria-live=polite].sr-only")) {
        const text = region.textContent ?? "";
        if (text !== "" && text !== heard.at(-1)) heard.push(text);
      }
    }).observe(document.body, { childList: true, subtree: true, characterData: true });
  });
  await composer(page).fill("Tell me a story about a fox");
  await page.keyboard.press("Tab");
  const button = page.getByRole("button", { name: "Send", exact: true });
  await expect(button).toBeFocused();
  await page.keyboard.press("Enter");
  const answer = answers(page).first();
  await firstWords(answer, 600);
  await expect(page.getByRole("button", { name: "Stop", exact: true })).toBeFocused();
  await page.keyboard.press("Enter");
  await waitUntilDone(page, answer);
  const heard = await page.evaluate(() => (globalThis as unknown as { readonly heard: string[] }).heard);
  expect(heard[0]).toBe("Answering");
  expect(heard.at(-1)).toMatch(/Answer finished\.$/);
  // Hundreds of tokens arrived in these seconds.
  expect(heard.length).toBeLessThan(8);
  await expect(button).toBeFocused();
});

test("at 200 % on a screen of 1440 x 900 every screen fits", async ({ conclaveApp: { page } }) => {
  await page.setViewportSize({ width: 720, height: 450 });
  const found: string[] = [];
  for (const { name, open, close } of everyScreen) {
    await open(page, t);
    await page.screenshot({ path: picture(`zoom-200/${name}.png`) });
    for (const text of await cutOff(page)) found.push(`${name}: ${text}`);
    await close(page, t);
  }
  expect(found).toEqual([]);
  await expect(composer(page)).toBeInViewport({ ratio: 1 });
  await expect(page.getByRole("button", { name: "Send", exact: true })).toBeInViewport({ ratio: 1 });
});
