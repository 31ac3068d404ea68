// Drafting, as a user sees it: chosen in Settings, tinted in the text, accounted for in the footer; and files that are no drafters,
// or no models, refused with the reason.
import { join } from "node:path";
import type { Locator, Page } from "@playwright/test";
import { restartAndReopen, send, waitUntilDone } from "./chat.ts";
import { expect, test } from "./conclaveApp.ts";
import { repositoryRoot } from "./entries/entry.ts";

const settings = (page: Page): Locator => page.getByRole("dialog", { name: "Settings" });

async function openSettings(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Settings" }).click();
  await settings(page).getByLabel("Drafting for Conclave Tiny").waitFor();
}

async function closeSettings(page: Page): Promise<void> {
  await page.keyboard.press("Escape");
  await settings(page).waitFor({ state: "detached" });
}

test("drafted tokens are tinted and accounted for, also after a restart", async ({ conclaveApp }) => {
  let { page } = conclaveApp;
  await openSettings(page);
  await settings(page).getByLabel("Drafting for Conclave Tiny").selectOption("fixed");
  await settings(page).getByLabel("Draft length").fill("6");
  await settings(page).getByLabel("Draft length").press("Tab");
  await settings(page).getByLabel("Tint drafted tokens").check();
  const temperature = settings(page).getByRole("spinbutton", { name: "Temperature" });
  await temperature.fill("0");
  await temperature.press("Tab");
  await closeSettings(page);

  // The second answer says much that the first has said.
  await waitUntilDone(page, await send(page, "Tell me a story about a fox"));
  const answer = await send(page, "Tell me a story about a fox");
  await waitUntilDone(page, answer);
  const summary = answer.getByRole("button", { name: /^drafts/ });
  await expect(summary).toHaveText(/^drafts \d\.\d\d× · \d\.\d\d tok per pass · \d\.\d experts instead of 2$/);
  await summary.hover();
  await expect(page.getByRole("tooltip")).toHaveText(/\d+ of \d+ drafted tokens were right: .* a verifying pass/);
  const marked = answer.getByTestId("drafted-text").locator("mark");
  await expect(marked.first()).toBeVisible();
  const words = await marked.allInnerTexts();

  page = await restartAndReopen(conclaveApp);
  const again = page.getByRole("article", { name: "Answer" }).nth(1);
  await expect(again.getByRole("button", { name: /^drafts \d\.\d\d× · / })).toBeVisible();
  await expect.poll(() => again.getByTestId("drafted-text").locator("mark").allInnerTexts()).toEqual(words);
  await again.getByRole("button", { name: /^drafts/ }).click();
  await expect(page.getByRole("dialog", { name: "How this answer was made" })).toContainText(
    "drafted tokens were right",
  );
});

test("what is off is not spoken of", async ({ conclaveApp: { page } }) => {
  await openSettings(page);
  await settings(page).getByLabel("Drafting for Conclave Tiny").selectOption("off");
  await expect(settings(page).getByLabel("Drafter", { exact: true })).toHaveCount(0);
  await closeSettings(page);
  const answer = await send(page, "Who are you?");
  await waitUntilDone(page, answer);
  await expect(answer.getByRole("button", { name: /prompt tokens reused/ })).toBeVisible();
  await expect(answer.getByRole("button", { name: /^drafts/ })).toHaveCount(0);
});

test("a model is no drafter and a drafter no model, and both are told so", async ({ conclaveApp }) => {
  const { page, entry, running } = conclaveApp;
  if (entry === "web") {
    await openSettings(page);
    await settings(page)
      .getByRole("textbox", { name: "Path of a drafter’s GGUF file" })
      .fill(join(repositoryRoot, "models/default/tiny-Q8_0.gguf"));
    await settings(page).getByRole("button", { name: "Use", exact: true }).click();
    await expect(settings(page).getByRole("alert")).toContainText("given as a drafter is a 'olmoe'");
    await closeSettings(page);
  }
  const picker = page.getByRole("button", { name: /^Model:/ });
  await picker.click();
  await running.addModelFile(join(repositoryRoot, "test/fixtures/dflash/causal.gguf"));
  await expect(page.getByText(/this file holds a drafter/i)).toBeVisible();
});
