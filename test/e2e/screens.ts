// Every screen of the app, how to reach it with the keyboard or a click and how to leave it again, in the words of a
// language. What is judged of all of them (axe, translations, room) is asked in a loop over this list.
import type { Page } from "@playwright/test";
import type { Texts } from "./texts.ts";

export interface Screen {
  readonly name: string;
  /** Judged like the others, but shown in no picture: another screen with a little more on it. */
  readonly minor?: true;
  open(page: Page, t: Texts): Promise<void>;
  close(page: Page, t: Texts): Promise<void>;
}

const escape = (page: Page): Promise<void> => page.keyboard.press("Escape");
const noDialog = async (page: Page): Promise<void> => {
  await escape(page);
  await page.getByRole("dialog").waitFor({ state: "detached" });
};
const composer = (page: Page, t: Texts) => page.getByRole("textbox", { name: t("chat.message"), exact: true });
const lastAnswer = (page: Page, t: Texts) =>
  page
    .getByRole("region", { name: t("chat.thread"), exact: true })
    .getByRole("article", { name: t("chat.answer"), exact: true })
    .last();
const expertTab = (page: Page, t: Texts, name: string): Promise<void> =>
  page.getByRole("tab", { name: t(`experts.tab-${name}`), exact: true }).click();
const stay = async (): Promise<void> => {};

/** Sends a short question and waits for the end of the answer. */
export async function ask(page: Page, t: Texts, question: string): Promise<void> {
  await composer(page, t).fill(question);
  await page.keyboard.press("Enter");
  await lastAnswer(page, t).and(page.locator("[aria-busy=false]")).waitFor({ timeout: 60_000 });
}

const dialogByKeys = (name: string, keys: string): Screen => ({
  name,
  open: async (page) => {
    await page.keyboard.press(keys);
    await page.getByRole("dialog").waitFor();
  },
  close: noDialog,
});

/** In an order in which each can be opened when the one before it was closed. */
export const screens: readonly Screen[] = [
  { name: "beginning", open: stay, close: stay },
  dialogByKeys("settings", "Control+,"),
  dialogByKeys("shortcuts", "Control+/"),
  dialogByKeys("commands", "Control+p"),
  dialogByKeys("models", "Control+l"),
  {
    name: "load-sheet",
    open: async (page, t) => {
      await page.keyboard.press("Control+l");
      await page.getByRole("button", { name: t("models.optionsOf", { name: "Conclave Tiny" }) }).click();
      await page.getByRole("dialog").getByRole("img").first().waitFor();
    },
    close: noDialog,
  },
  {
    name: "templates",
    open: async (page, t) => {
      await page.keyboard.press("Control+p");
      await page.keyboard.type(t("templates.title"));
      await page.keyboard.press("Enter");
      await page.getByRole("dialog", { name: t("templates.title") }).waitFor();
      await page.getByRole("region", { name: t("templates.template"), exact: true }).waitFor();
    },
    close: noDialog,
  },
  {
    name: "slash",
    open: async (page, t) => {
      await composer(page, t).fill("/");
      await page.getByRole("option").first().waitFor();
    },
    close: (page, t) => composer(page, t).fill(""),
  },
  {
    name: "template-form",
    open: async (page, t) => {
      await composer(page, t).fill("/tutor");
      await page.getByRole("option").first().waitFor();
      await page.keyboard.press("Enter");
      await page.getByRole("form").waitFor();
    },
    close: escape,
  },
  { name: "answer", open: (page, t) => ask(page, t, "Tell me a story about a fox"), close: stay },
  {
    name: "conversation-settings",
    open: (page, t) => page.getByRole("tab", { name: t("settings.title") }).click(),
    close: (page, t) => page.getByRole("tab", { name: t("experts.title") }).click(),
  },
  {
    name: "edit-answer",
    minor: true,
    open: (page, t) =>
      lastAnswer(page, t)
        .getByRole("button", { name: t("chat.editAnswer") })
        .click(),
    close: escape,
  },
  {
    name: "message-menu",
    minor: true,
    open: async (page, t) => {
      await lastAnswer(page, t)
        .getByRole("button", { name: t("chat.moreForMessage") })
        .click();
      await page.getByRole("menu").waitFor();
    },
    close: escape,
  },
  {
    name: "details",
    open: async (page, t) => {
      await lastAnswer(page, t)
        .getByRole("button", { name: t("chat.moreForMessage") })
        .click();
      await page.getByRole("menuitem", { name: t("chat.details") }).click();
      await page.getByRole("dialog").waitFor();
    },
    close: noDialog,
  },
  {
    name: "context",
    minor: true,
    open: async (page, t) => {
      const used = t("chat.contextUsed", { used: "\\S+", context: "\\S+" }).replaceAll(/[()]/g, ".");
      await page.getByRole("button", { name: new RegExp(used) }).click();
      await page.getByRole("dialog", { name: t("chat.context"), exact: true }).waitFor();
    },
    close: noDialog,
  },
  {
    name: "find",
    minor: true,
    open: async (page, t) => {
      await page.keyboard.press("Control+f");
      await page.getByRole("search", { name: t("chat.findInChat") }).waitFor();
    },
    close: escape,
  },
];

/** The expert panel's other views, over the answer that is open. They show single words of the model's, so no language can be told from them. */
const expertViews: readonly Screen[] = [
  "tokens",
  "load",
  "repeats",
  "together",
  "words",
  "topics",
  "steer",
  "places",
].map((name) => ({
  name: `experts-${name}`,
  open: (page, t) => expertTab(page, t, name),
  close: (page, t) => expertTab(page, t, "now"),
}));

/** All of them, where what is judged does not depend on words. */
export const everyScreen: readonly Screen[] = screens.flatMap((screen) =>
  screen.name === "answer" ? [screen, ...expertViews] : [screen],
);
