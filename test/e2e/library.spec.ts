// Where conversations are kept, over the real app: folders, the archive, drafts across a restart, and files out and in.
import { readFileSync } from "node:fs";
import { answers, composer, questions, send, sidebar, waitUntilDone, wordsOf } from "./chat.ts";
import { expect, test } from "./conclaveApp.ts";

test("a conversation goes into a folder and the archive, and both outlive the app", async ({ conclaveApp }) => {
  let { page } = conclaveApp;
  await waitUntilDone(page, await send(page, "Who are you?"));
  const actions = () => page.getByRole("button", { name: "Actions for Who are you?" });
  await actions().click();
  await page.getByRole("menuitem", { name: "Move to" }).click();
  await page.getByRole("menuitem", { name: "New folder…" }).click();
  await page.getByRole("textbox", { name: "Folder name" }).fill("People");
  await page.keyboard.press("Enter");
  await expect(sidebar(page).getByRole("button", { name: "People 1" })).toHaveAttribute("aria-expanded", "true");
  await composer(page).fill("Half a thought");
  await expect
    .poll(() => conclaveApp.running.page.evaluate(() => document.querySelector("textarea")?.value))
    .toBe("Half a thought");
  await page.waitForTimeout(800);

  page = await conclaveApp.restart();
  await sidebar(page).getByRole("button", { name: "People 1" }).click();
  await sidebar(page).getByRole("button", { name: "Who are you?", exact: true }).click();
  await expect(composer(page)).toHaveValue("Half a thought");
  await actions().click();
  await page.getByRole("menuitem", { name: "Archive", exact: true }).click();
  await expect(sidebar(page).getByRole("button", { name: "People 0" })).toBeVisible();
  await expect(sidebar(page).getByRole("button", { name: "Archive 1" })).toBeVisible();
});

test("an exported conversation comes back as it was", async ({ conclaveApp: { page, running } }) => {
  const answer = await send(page, "Where does the badger sleep?");
  await waitUntilDone(page, answer);
  const words = await wordsOf(answer);
  await page.getByRole("button", { name: "Actions for Where does the badger sleep?" }).click();
  await page.getByRole("menuitem", { name: "Export" }).click();
  const file = await running.saveOffered(() => page.getByRole("menuitem", { name: "JSON, with everything" }).click());
  expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({ format: "conclave", version: 1 });

  await page.getByRole("button", { name: "More for conversations" }).click();
  const chooser = page.waitForEvent("filechooser");
  await page.getByRole("menuitem", { name: "Import conversations…" }).click();
  await (await chooser).setFiles(file);
  await expect(sidebar(page).getByRole("button", { name: "Where does the badger sleep?", exact: true })).toHaveCount(2);
  await expect(questions(page).first()).toContainText("Where does the badger sleep?");
  await expect.poll(() => wordsOf(answers(page).first())).toBe(words);
});
