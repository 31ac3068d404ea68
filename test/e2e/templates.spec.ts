// Templates: chosen with a slash, made and edited in the dialog, remembered by the conversation; and their beginnings kept
// computed over a restart, with the time to the first token printed beside what is asserted.
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { FileChooser, Locator, Page } from "@playwright/test";
import { answers, composer, makeAnswersLong, restartAndReopen, send, sidebar, waitUntilDone, wordsOf } from "./chat.ts";
import { expect, test } from "./conclaveApp.ts";
import { choose, picture, violations } from "./looks.ts";

const dialog = (page: Page): Locator => page.getByRole("dialog", { name: "Templates" });
const openDialog = (page: Page): Promise<void> => page.getByRole("button", { name: "Templates", exact: true }).click();
const takeAway = (page: Page, name: string): Locator => page.getByRole("button", { name: `Take ${name} away` });

async function importFile(page: Page, file: Parameters<FileChooser["setFiles"]>[0]): Promise<void> {
  const chooser = page.waitForEvent("filechooser");
  await dialog(page).getByRole("button", { name: "Import templates" }).click();
  await (await chooser).setFiles(file);
}

async function systemPromptOf(page: Page): Promise<string> {
  await answers(page)
    .last()
    .getByRole("button", { name: /prompt tokens reused/ })
    .click();
  const details = page.getByRole("dialog");
  await details.waitFor();
  const text = await details.innerText();
  await page.keyboard.press("Escape");
  await details.waitFor({ state: "detached" });
  return text;
}

test("a slash and a few letters choose a template, which asks for its values and stays with the conversation", async ({
  conclaveApp,
}) => {
  const { page } = conclaveApp;
  await composer(page).fill("/su");
  await expect(page.getByRole("option")).toHaveCount(1);
  await page.keyboard.press("Enter");
  const form = page.getByRole("form", { name: "Template Summariser" });
  await expect(form.getByLabel("Form")).toBeFocused();
  await form.getByLabel("Form").selectOption("bullet points");
  await page.keyboard.press("Tab");
  await form.getByLabel("Words at most").fill("");
  await page.keyboard.press("Enter");
  await expect(form).toContainText("It must be filled in.");
  await form.getByLabel("Words at most").fill("40");
  await page.keyboard.press("Enter");
  await expect(takeAway(page, "Summariser")).toBeVisible();
  await expect(composer(page)).toBeFocused();
  await waitUntilDone(page, await send(page, "A fox went out and came back."));
  expect(await systemPromptOf(page)).toContain("Form: bullet points. Length: at most 40 words.");

  const again = await restartAndReopen(conclaveApp);
  await expect(takeAway(again, "Summariser")).toBeVisible();
  await takeAway(again, "Summariser").click();
  await expect(takeAway(again, "Summariser")).toHaveCount(0);
  await again.getByRole("button", { name: "Undo" }).click();
  await expect(takeAway(again, "Summariser")).toBeVisible();
});

test("the keyboard alone walks the list, gives up with Escape, and a message that begins with a slash can be sent", async ({
  conclaveApp: { page },
}) => {
  await composer(page).focus();
  await page.keyboard.type("/");
  const options = page.getByRole("option");
  await expect(options.first()).toHaveAttribute("aria-selected", "true");
  await page.keyboard.press("ArrowUp");
  await expect(options.last()).toHaveAttribute("aria-selected", "true");
  expect(await violations(page)).toEqual([]);
  await page.keyboard.press("Escape");
  await expect(options).toHaveCount(0);
  await page.keyboard.type("tutor");
  await page.keyboard.press("Enter");
  const form = page.getByRole("form", { name: "Template Tutor" });
  await form.waitFor();
  expect(await violations(page)).toEqual([]);
  await page.keyboard.press("Escape");
  await expect(form).toHaveCount(0);
  await expect(composer(page)).toBeFocused();
  await page.keyboard.type("/nothing is called that");
  await page.keyboard.press("Enter");
  await answers(page).first().waitFor();
  await waitUntilDone(page, answers(page).first());
});

test("a template is written, warned about, reordered, saved, compared, brought back, exported and imported", async ({
  conclaveApp: { page, running },
}) => {
  await openDialog(page);
  await dialog(page).getByRole("button", { name: "New template" }).click();
  await dialog(page).getByLabel("Name", { exact: true }).fill("Fable maker");
  await expect(dialog(page).getByLabel("Short name")).toHaveValue("fable-maker");
  const text = dialog(page).getByLabel("System text");
  const rules = "Tell one short fable. Use plain words. Do not give a moral at the end of it.";
  await text.fill(`About {{animal}}.\n\n${rules}`);
  await expect(dialog(page)).toContainText("{{animal}}, which is not declared");
  await dialog(page).getByRole("button", { name: "Declare animal" }).click();
  await dialog(page)
    .getByRole("button", { name: /Move paragraphs with variables/ })
    .click();
  await expect(text).toHaveValue(`${rules}\n\nAbout {{animal}}.`);
  await dialog(page).getByRole("textbox", { name: "animal", exact: true }).fill("a badger");
  await expect(dialog(page).getByRole("region", { name: "What the model gets" })).toContainText("About a badger.");
  await dialog(page).getByRole("button", { name: "Save", exact: true }).click();
  await expect(dialog(page).getByRole("button", { name: "Use", exact: true })).toBeVisible();

  await text.fill(`${rules}\n\nIt is about {{animal}}.`);
  await dialog(page).getByRole("button", { name: "Save", exact: true }).click();
  await dialog(page).getByRole("button", { name: "History", exact: true }).click();
  await expect(dialog(page).getByRole("region", { name: "Changes" })).toContainText("It is about {{animal}}.");
  expect(await violations(page)).toEqual([]);
  await dialog(page).getByRole("button", { name: "Restore version 1" }).click();
  await expect(dialog(page).getByRole("button", { name: /^Version 3/ })).toBeVisible();
  await dialog(page).getByRole("button", { name: "History", exact: true }).click();
  await expect(text).toHaveValue(`${rules}\n\nAbout {{animal}}.`);
  expect(await violations(page)).toEqual([]);

  const file = await running.saveOffered(() =>
    dialog(page).getByRole("button", { name: "Export Fable maker" }).click(),
  );
  await importFile(page, file);
  await expect(dialog(page).getByLabel("Short name")).toHaveValue("fable-maker-2");
  await dialog(page).getByRole("button", { name: "Delete Fable maker" }).click();
  await expect(dialog(page).getByText("/fable-maker-2")).toHaveCount(0);
});

/** "1.2 s to first token", "4,096 of 5,310 prompt tokens reused" */
async function figuresOf(answer: Locator): Promise<{ first: string; reused: number; prompt: number }> {
  await expect(answer).toContainText("prompt tokens reused");
  const text = await answer.innerText();
  const [, first = ""] = /([\d.]+ m?s) to first token/.exec(text) ?? [];
  const [, reused = "", prompt = ""] = /([\d,]+) of ([\d,]+) prompt tokens reused/.exec(text) ?? [];
  return { first, reused: Number(reused.replaceAll(",", "")), prompt: Number(prompt.replaceAll(",", "")) };
}

test("after a restart the beginning comes from disk, and without the file it is computed", async ({ conclaveApp }) => {
  await makeAnswersLong(conclaveApp);
  const { page, dataFolder } = conclaveApp;
  const prefixes = join(dataFolder, "prefixes");
  const line = "The lighthouse keeper counts every boat twice and writes the number into a book. ";
  const template = {
    name: "Keeper",
    slug: "keeper",
    description: "",
    system: `${line.repeat(80)}\nAnswer as {{who}}.`,
    examples: [],
    variables: [{ name: "who", label: "", type: "text", default: "the keeper", required: true, choices: [] }],
  };
  const json = JSON.stringify({ format: "conclave-templates", version: 1, templates: [template] });
  await openDialog(page);
  const buffer = Buffer.from(json);
  await importFile(page, { name: "t.json", mimeType: "application/json", buffer });
  await expect(dialog(page).getByLabel("Short name")).toHaveValue("keeper");
  await page.keyboard.press("Escape");

  // Two conversations that have the template and no message yet: one for each way to begin.
  for (const count of [1, 2]) {
    await page.getByRole("button", { name: "New chat", exact: true }).first().click();
    await composer(page).fill("/keeper");
    await page.keyboard.press("Enter");
    await page.getByRole("form", { name: "Template Keeper" }).waitFor();
    await page.keyboard.press("Enter");
    await expect(takeAway(page, "Keeper")).toBeVisible();
    await expect(sidebar(page).getByRole("listitem")).toHaveCount(count);
  }
  await expect.poll(() => readdirSync(prefixes).length, { timeout: 60_000 }).toBe(1);

  async function firstAnswer(at: Page, index: number) {
    await sidebar(at).getByRole("listitem").nth(index).getByRole("button").first().click();
    await expect(takeAway(at, "Keeper")).toBeVisible();
    const answer = await send(at, "How many boats?");
    await expect.poll(async () => (await wordsOf(answer).catch(() => "")).length).toBeGreaterThan(12);
    await at.keyboard.press("Escape");
    await waitUntilDone(at, answer);
    return figuresOf(answer);
  }

  const cold = await firstAnswer(await conclaveApp.restart(() => rmSync(prefixes, { recursive: true })), 0);
  expect(cold.reused).toBe(0);
  expect(cold.prompt).toBeGreaterThan(1200);
  await expect.poll(() => readdirSync(prefixes).length).toBe(1);

  const warm = await firstAnswer(await conclaveApp.restart(), 1);
  expect(warm.prompt).toBe(cold.prompt);
  expect(warm.reused).toBeGreaterThan(cold.prompt - 80);
  // The read came before the prompt, so the footer's time does not hold it.
  const log = readFileSync(join(dataFolder, "logs", "conclave.log"), "utf8");
  const read = log.match(/prefix warmed .*source="?disk"?.* ms=\d+/gu)?.at(-1) ?? "";
  expect(read).not.toBe("");
  console.log(
    `first token of ${cold.prompt} prompt tokens: ${cold.first} cold; from disk ${warm.first} and the read:${read.replace(/^prefix warmed/u, "")}`,
  );
});

for (const theme of ["light", "dark"] as const) {
  test(`the templates at both sizes, ${theme}`, async ({ conclaveApp: { page, entry } }) => {
    await choose(page, theme);
    for (const [width, height] of [
      [1280, 800],
      [880, 560],
    ] as const) {
      await page.setViewportSize({ width, height });
      const shoot = async (name: string): Promise<void> => {
        await page.screenshot({ path: picture(`templates-${name}-${theme}-${width}-${entry}.png`) });
        expect(await violations(page)).toEqual([]);
      };
      await page.getByRole("button", { name: /^All \d+ templates/u }).click();
      await dialog(page)
        .getByRole("button", { name: /^Translator/u })
        .click();
      await expect(dialog(page).getByRole("region", { name: "What the model gets" })).toContainText(
        "You are a translator",
      );
      await shoot("dialog");
      await page.keyboard.press("Escape");
      await composer(page).fill("/");
      await page.getByRole("option").first().waitFor();
      await shoot("slash");
      await composer(page).fill("");
    }
  });
}
