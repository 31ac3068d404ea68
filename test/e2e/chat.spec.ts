// Sending, stopping and what becomes of a conversation.
import {
  answers,
  composer,
  conversation,
  firstWords,
  makeAnswersLong,
  questions,
  send,
  sidebar,
  waitUntilDone,
  wordsOf,
} from "./chat.ts";
import { expect, test } from "./conclaveApp.ts";

test("an answer streams in and says how it came about", async ({ conclaveApp }) => {
  const { page } = conclaveApp;
  await makeAnswersLong(conclaveApp, 4000);
  const answer = await send(page, "Tell me a story about a fox");
  await expect(questions(page).first()).toContainText("Tell me a story about a fox");
  const early = await firstWords(answer);
  await expect(answer).toHaveAttribute("aria-busy", "true");
  await expect.poll(async () => (await wordsOf(answer)).length).toBeGreaterThan(early.length + 20);
  await waitUntilDone(page, answer);
  await expect(answer).toContainText(/tok\/s · .+ to first token · [\d,]+ tok/);
  await expect(composer(page)).toBeEditable();
});

test("a click on an opening begins a conversation", async ({ conclaveApp: { page } }) => {
  await page.getByRole("main").getByRole("button", { name: "What food does a wolf eat?" }).click();
  const answer = answers(page).first();
  await answer.waitFor();
  await waitUntilDone(page, answer);
  expect(await wordsOf(answer)).not.toBe("");
});

test("Stop ends the answer within a moment and keeps what was written", async ({ conclaveApp }) => {
  const { page } = conclaveApp;
  await makeAnswersLong(conclaveApp);
  const answer = await send(page, "Tell me a long story");
  await firstWords(answer);
  const began = Date.now();
  await page.getByRole("button", { name: "Stop", exact: true }).click();
  await waitUntilDone(page, answer);
  expect(Date.now() - began).toBeLessThan(3000);
  await expect(answer).toContainText("stop: stopped");
  const kept = await wordsOf(answer);
  expect(kept.length).toBeGreaterThan(0);
  await page.reload();
  await sidebar(page).getByRole("listitem").first().getByRole("button").first().click();
  await expect.poll(() => wordsOf(answers(page).first())).toBe(kept);
});

test("Escape stops too, and the next message is answered", async ({ conclaveApp }) => {
  const { page } = conclaveApp;
  await makeAnswersLong(conclaveApp);
  const first = await send(page, "Tell me a long story");
  await firstWords(first);
  await page.keyboard.press("Escape");
  await waitUntilDone(page, first);
  const second = await send(page, "Go on");
  await firstWords(second);
  await page.keyboard.press("Escape");
  await waitUntilDone(page, second);
  await expect(answers(page)).toHaveCount(2);
});

test("regenerating makes a second version and keeps the first", async ({ conclaveApp: { page } }) => {
  const answer = await send(page, "Tell me a story about a boat");
  await waitUntilDone(page, answer);
  const first = await wordsOf(answer);
  await answer.getByRole("button", { name: "Regenerate answer" }).click();
  await expect(answer).toContainText("2/2");
  await waitUntilDone(page, answer);
  await answer.getByRole("button", { name: "Previous version" }).click();
  await expect(answer).toContainText("1/2");
  expect(await wordsOf(answer)).toBe(first);
});

test("a conversation is renamed, deleted and brought back", async ({ conclaveApp: { page } }) => {
  const answer = await send(page, "Who are you?");
  await waitUntilDone(page, answer);
  const row = sidebar(page).getByRole("listitem").first();
  await row.getByRole("button").first().focus();
  await page.keyboard.press("F2");
  await page.getByRole("textbox", { name: "Conversation title" }).fill("The fox");
  await page.keyboard.press("Enter");
  await expect(row.getByRole("button", { name: "The fox", exact: true })).toBeVisible();

  await page.getByRole("button", { name: "Actions for The fox" }).click();
  await page.getByRole("menuitem", { name: "Delete" }).click();
  await expect(sidebar(page).getByRole("button", { name: "The fox", exact: true })).toHaveCount(0);
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(sidebar(page).getByRole("button", { name: "The fox", exact: true })).toBeVisible();
  await expect(conversation(page)).toContainText("Who are you?");
});

test("conversations outlive the app, and the search finds them", async ({ conclaveApp }) => {
  const answer = await send(conclaveApp.page, "Where does the badger sleep?");
  await waitUntilDone(conclaveApp.page, answer);
  const kept = await wordsOf(answer);
  const page = await conclaveApp.restart();
  await page.getByRole("searchbox", { name: "Search all messages" }).fill("badger");
  await page.getByRole("list", { name: "Search results" }).getByRole("button").first().click();
  await expect(questions(page).first()).toContainText("Where does the badger sleep?");
  await expect.poll(() => wordsOf(answers(page).first())).toBe(kept);
});

test("New chat leaves an empty thread and the keyboard in the composer", async ({ conclaveApp: { page } }) => {
  await waitUntilDone(page, await send(page, "Who are you?"));
  await page.getByRole("button", { name: "New chat" }).click();
  await expect(page.getByRole("heading", { name: "Ask, and watch which experts answer" })).toBeVisible();
  await expect(composer(page)).toBeFocused();
});
