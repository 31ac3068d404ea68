// Working on messages over the real engine: versions by hand, delete and undo, continue, fork, the exact repeat, and what
// happens when a conversation outgrows the context.
import type { Page } from "@playwright/test";
import { answers, composer, conversation, questions, send, sidebar, waitUntilDone, wordsOf } from "./chat.ts";
import { expect, test } from "./conclaveApp.ts";
import { picture, violations } from "./looks.ts";

const undo = (page: Page) => page.getByRole("button", { name: "Undo" }).first().click();

async function ask(page: Page, text: string) {
  const answer = await send(page, text);
  await waitUntilDone(page, answer);
  return answer;
}

async function setLongestAnswer(page: Page, tokens: number): Promise<void> {
  await page.getByRole("button", { name: "Settings", exact: true }).click();
  const box = page.getByRole("dialog", { name: "Settings" }).getByRole("spinbutton", { name: "Longest answer" });
  await box.fill(String(tokens));
  await box.press("Tab");
  await page.keyboard.press("Escape");
}

test("an answer is rewritten beside the old one, and a message is deleted and brought back", async ({
  conclaveApp: { page },
}) => {
  const answer = await ask(page, "Who are you?");
  const first = await wordsOf(answer);
  await answer.getByRole("button", { name: "Edit answer" }).click();
  await page.getByRole("textbox", { name: "Answer text" }).fill("I am a badger.");
  await page.getByRole("button", { name: "Save as new version" }).click();
  await expect(answers(page).first()).toContainText("I am a badger.");
  await expect(answers(page).first()).toContainText("2/2");
  await expect(answers(page).first()).toContainText("Edited or imported");
  await answers(page).first().getByRole("button", { name: "Previous version" }).click();
  await expect.poll(() => wordsOf(answers(page).first())).toBe(first);

  await answers(page).first().getByRole("button", { name: "Delete message" }).click();
  await expect(answers(page).first()).toContainText("I am a badger.");
  await undo(page);
  await expect.poll(() => wordsOf(answers(page).first())).toBe(first);
  await questions(page).first().getByRole("button", { name: "Delete message" }).click();
  await expect(questions(page)).toHaveCount(0);
  await undo(page);
  await expect(questions(page)).toHaveCount(1);
});

test("a cut answer goes on where it stopped", async ({ conclaveApp: { page } }) => {
  await setLongestAnswer(page, 12);
  const answer = await ask(page, "Tell me a story about a fox");
  await expect(answer).toContainText("stop: token limit");
  const beginning = await wordsOf(answer);
  await answer.getByRole("button", { name: "Continue answer" }).click();
  await expect(answer).toContainText("continued");
  await waitUntilDone(page, answer);
  const whole = await wordsOf(answer);
  expect(whole.startsWith(beginning)).toBe(true);
  expect(whole.length).toBeGreaterThan(beginning.length);
  await answer.getByRole("button", { name: "Previous version" }).click();
  await expect.poll(() => wordsOf(answer)).toBe(beginning);
});

test("a fork stands beside its origin, and an answer is made again exactly from its record", async ({
  conclaveApp: { page },
}) => {
  const answer = await ask(page, "Tell me a story about a boat");
  await ask(page, "What food does a wolf eat?");
  await answer.getByRole("button", { name: "Fork here" }).click();
  await expect(answers(page)).toHaveCount(1);
  await expect(
    sidebar(page).getByRole("button", { name: "Tell me a story about a boat (fork)", exact: true }),
  ).toBeVisible();

  const original = await wordsOf(answers(page).first());
  await answers(page)
    .first()
    .getByRole("button", { name: /prompt tokens reused/ })
    .click();
  const details = page.getByRole("dialog", { name: "How this answer was made" });
  await expect(details).toContainText(/[0-9a-f]{64}/);
  await details.getByRole("button", { name: "Run again exactly" }).click();
  await expect(page.getByText("The same answer, letter for letter.")).toBeVisible({ timeout: 30_000 });
  expect(await wordsOf(answers(page).first())).toBe(original);
});

test("a conversation that outgrows the context says what the model no longer sees, and why that was slow", async ({
  conclaveApp: { page },
}) => {
  await setLongestAnswer(page, 16);
  const long = "The fox and the wolf went to the river and the forest and the hill. ".repeat(34).trim();
  await ask(page, `One. ${long}`);
  await expect(page.getByRole("button", { name: /^Context: [\d,]+ of 1,024 tokens used/ })).toBeVisible();
  const last = await ask(page, `Two. ${long}`);
  const line = conversation(page).getByRole("note", { name: "Where the model's view begins" });
  await expect(line).toContainText(/not seen by the model \(−\d{3} tokens\)/);
  const why = last.getByRole("button", { name: /prompt tokens reused/ });
  await why.focus();
  await expect(page.getByRole("tooltip")).toContainText("older turns no longer fit");
  await page.keyboard.press("Escape");
  await line.getByRole("button", { name: "Start from here" }).click();
  await expect(line.getByRole("button", { name: "Send them again" })).toBeVisible();
  await expect(composer(page)).toBeEditable();
});

test("what no longer fits is summarised on request, and the summary can be changed and taken back", async ({
  conclaveApp: { page },
}) => {
  await setLongestAnswer(page, 16);
  const long = "The fox and the wolf went to the river and the forest and the hill. ".repeat(34).trim();
  await ask(page, `One. ${long}`);
  await ask(page, `Two. ${long}`);
  const line = conversation(page).getByRole("note", { name: "Where the model's view begins" });
  await line.getByRole("button", { name: "Summarise" }).click();
  const summary = conversation(page).getByRole("region", { name: /^Summary of the \d+ messages above/ });
  await expect(summary).toBeVisible({ timeout: 30_000 });
  await expect(line).toHaveCount(0);
  await expect(questions(page)).toHaveCount(2);
  await summary.getByRole("button", { name: "Edit summary" }).click();
  await summary.getByRole("textbox", { name: "Text of the summary" }).fill("A fox and a wolf walked far.");
  await summary.getByRole("button", { name: "Save" }).click();
  await expect(conversation(page).getByRole("region", { name: /edited$/ })).toContainText(
    "A fox and a wolf walked far.",
  );
  expect(await violations(page)).toEqual([]);
  await page.screenshot({ path: picture("summary.png") });
  const last = await ask(page, "Where did they walk?");
  await last.getByRole("button", { name: /prompt tokens reused/ }).click();
  await expect(page.getByRole("dialog", { name: "How this answer was made" })).toContainText(
    "A fox and a wolf walked far.",
  );
  await page.keyboard.press("Escape");
  await summary.getByRole("button", { name: "Send the turns again instead" }).click();
  await expect(line).toBeVisible();
  await page.getByRole("button", { name: "Undo" }).first().click();
  await expect(summary).toBeVisible();
});

test("a line says where settings changed between two answers", async ({ conclaveApp: { page } }) => {
  await ask(page, "Who are you?");
  await setLongestAnswer(page, 12);
  await ask(page, "Tell me a story about a fox");
  const note = conversation(page).getByRole("note", { name: "What changed here" });
  await expect(note).toHaveText("Settings changed: Longest answer 1,024 → 12");
  await page.screenshot({ path: picture("markers.png") });
});
