// What a user does and sees in the chat, in the words of the interface.
import { expect, type Locator, type Page } from "@playwright/test";
import type { ConclaveApp } from "./conclaveApp.ts";
import { endlessModelName, writeEndlessModel } from "./endlessModel.ts";

export const composer = (page: Page): Locator => page.getByRole("textbox", { name: "Message", exact: true });
export const conversation = (page: Page): Locator => page.getByRole("region", { name: "Conversation", exact: true });
export const answers = (page: Page): Locator => conversation(page).getByRole("article", { name: "Answer" });
export const questions = (page: Page): Locator => conversation(page).getByRole("article", { name: "You" });
export const sidebar = (page: Page): Locator => page.getByRole("navigation", { name: "Conversations" });
export const experts = (page: Page): Locator => page.getByRole("complementary", { name: "Experts" });

/** Starts the app anew and opens the conversation that stands first. */
export async function restartAndReopen(app: ConclaveApp): Promise<Page> {
  const page = await app.restart();
  await sidebar(page).getByRole("listitem").first().getByRole("button").first().click();
  return page;
}

/** Sends and returns the new answer, which has only begun. */
export async function send(page: Page, text: string): Promise<Locator> {
  const before = await answers(page).count();
  await composer(page).fill(text);
  await page.getByRole("button", { name: "Send", exact: true }).click();
  const answer = answers(page).nth(before);
  await answer.waitFor();
  return answer;
}

export async function waitUntilDone(page: Page, answer: Locator): Promise<void> {
  await expect(answer).toHaveAttribute("aria-busy", "false", { timeout: 60_000 });
  await expect(page.getByRole("button", { name: "Stop", exact: true })).toHaveCount(0);
}

/** The words of an answer, without its footer and buttons. */
export async function wordsOf(answer: Locator): Promise<string> {
  return (await answer.locator(".markdown, [data-testid=coloured-text]").first().innerText()).trim();
}

/** Waits until the answer has begun to show words, and returns them. */
export async function firstWords(answer: Locator, length = 12): Promise<string> {
  await expect
    .poll(async () => (await wordsOf(answer).catch(() => "")).length, { intervals: [20] })
    .toBeGreaterThan(length);
  return wordsOf(answer);
}

async function setNumber(page: Page, label: string, value: number): Promise<void> {
  const box = page.getByRole("dialog", { name: "Settings" }).getByRole("spinbutton", { name: label });
  await box.fill(String(value));
  await box.press("Tab");
}

/** Answers of so many tokens, from a copy of the model that knows no end; by default they last until they are stopped, with room for far longer than a test on a busy machine takes. */
export async function makeAnswersLong({ page, running, dataFolder }: ConclaveApp, tokens = 14_000): Promise<void> {
  await page.getByRole("button", { name: "Settings" }).click();
  await setNumber(page, "Longest answer", tokens);
  await setNumber(page, "Context", 16_384);
  await page.keyboard.press("Escape");
  await page.getByRole("dialog", { name: "Settings" }).waitFor({ state: "detached" });
  const picker = page.getByRole("button", { name: /^Model:/ });
  await picker.click();
  await running.addModelFile(writeEndlessModel(dataFolder));
  await page.getByRole("button", { name: new RegExp(`^${endlessModelName}`) }).click();
  await expect(picker).toContainText(endlessModelName);
}
