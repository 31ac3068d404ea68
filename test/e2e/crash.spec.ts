// kill -9 of the engine in mid-answer loses nothing but the words not yet stored.
import { answers, firstWords, makeAnswersLong, questions, send, sidebar, waitUntilDone, wordsOf } from "./chat.ts";
import { expect, test } from "./conclaveApp.ts";

test("a killed engine interrupts the answer, keeps its text, and the next message works", async ({ conclaveApp }) => {
  const { page } = conclaveApp;
  await makeAnswersLong(conclaveApp);
  const answer = await send(page, "Tell me a long story");
  await firstWords(answer);
  await conclaveApp.killEngine();
  await expect(answer).toContainText("Interrupted");
  await waitUntilDone(page, answer);
  const kept = await wordsOf(answer);
  expect(kept.length).toBeGreaterThan(0);

  await page.reload();
  await sidebar(page).getByRole("listitem").first().getByRole("button").first().click();
  await expect(questions(page).first()).toContainText("Tell me a long story");
  await expect(answers(page).first()).toContainText("Interrupted");
  expect(await wordsOf(answers(page).first())).toBe(kept);

  const next = await send(page, "Are you still there?");
  await firstWords(next);
  await page.keyboard.press("Escape");
  await waitUntilDone(page, next);
  await expect(next).not.toContainText("Interrupted");
});

test("an app that is closed in mid-answer shows what was written when it is opened again", async ({ conclaveApp }) => {
  await makeAnswersLong(conclaveApp);
  const answer = await send(conclaveApp.page, "Tell me a long story");
  const early = await firstWords(answer);
  const page = await conclaveApp.restart();
  await sidebar(page).getByRole("listitem").first().getByRole("button").first().click();
  await expect.poll(() => wordsOf(answers(page).first())).toContain(early.slice(0, 12));
  await expect(answers(page).first()).toHaveAttribute("aria-busy", "false");
});
