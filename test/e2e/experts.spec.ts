// The Experts pane moves with the answer, and the words take the colours of their experts.
import type { Page } from "@playwright/test";
import { experts, firstWords, makeAnswersLong, send, waitUntilDone } from "./chat.ts";
import { expect, test } from "./conclaveApp.ts";

const heatMap = (page: Page) => experts(page).getByRole("img", { name: /Heat map/ });

/** A number that changes when any pixel does. */
function pixelSum(page: Page): Promise<number> {
  return heatMap(page).evaluate((element) => {
    const canvas = element as HTMLCanvasElement;
    const data = canvas.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height).data;
    return Array.from(data ?? []).reduce((sum, value, index) => (sum * 31 + value * (index + 1)) % 2_147_483_647, 7);
  });
}

test("the heat map changes while the answer is being written", async ({ conclaveApp }) => {
  const { page } = conclaveApp;
  await makeAnswersLong(conclaveApp);
  const answer = await send(page, "Tell me a story about a fox");
  await firstWords(answer);
  await heatMap(page).waitFor();
  const seen = new Set<number>();
  await expect
    .poll(
      async () => {
        if ((await answer.getAttribute("aria-busy")) === "true") seen.add(await pixelSum(page));
        return seen.size;
      },
      { intervals: [60] },
    )
    .toBeGreaterThanOrEqual(3);
  await page.keyboard.press("Escape");
  await waitUntilDone(page, answer);
  await expect(experts(page)).toContainText(
    /2 of 8 experts active · 4 layers · \d+ % of slots used · entropy [01]\.\d\d/,
  );
  await expect(experts(page).getByRole("table")).toContainText("× uniform");
  await expect(experts(page).getByRole("row")).not.toHaveCount(1);
});

test("cells are read with the arrow keys", async ({ conclaveApp: { page } }) => {
  await waitUntilDone(page, await send(page, "What food does a wolf eat?"));
  await heatMap(page).focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowDown");
  await expect(experts(page).getByRole("status")).toHaveText(/^L1 E1: [\d.]+ %, [\d.]+× uniform$/);
});

test("words take the colour of their first expert, which differs by layer, and keep it after a restart", async ({
  conclaveApp,
}) => {
  let { page } = conclaveApp;
  await waitUntilDone(page, await send(page, "Tell me a story about a boat and a storm"));
  await experts(page).getByLabel("Colour tokens by first expert").check();
  const coloured = page.getByTestId("coloured-text");
  const chosen = () =>
    coloured
      .locator("[data-expert]")
      .evaluateAll((spans) =>
        spans.map((span) => [span.getAttribute("data-expert"), getComputedStyle(span).backgroundColor]),
      );
  await expect.poll(async () => (await chosen()).length).toBeGreaterThan(5);
  const first = await chosen();
  expect(new Set(first.map(([expert]) => expert)).size).toBeGreaterThan(1);
  const colourOf = new Map(first.map(([expert, colour]) => [expert, colour]));
  expect(first.every(([expert, colour]) => colourOf.get(expert) === colour && colour !== "rgba(0, 0, 0, 0)")).toBe(
    true,
  );
  await experts(page).getByRole("combobox", { name: "Layer" }).selectOption("3");
  await expect.poll(chosen).not.toEqual(first);

  page = await conclaveApp.restart();
  await page
    .getByRole("navigation", { name: "Conversations" })
    .getByRole("listitem")
    .first()
    .getByRole("button")
    .first()
    .click();
  await experts(page).getByLabel("Colour tokens by first expert").check();
  await experts(page).getByRole("combobox", { name: "Layer" }).selectOption("0");
  await expect
    .poll(async () => {
      const again = await page
        .getByTestId("coloured-text")
        .locator("[data-expert]")
        .evaluateAll((spans) => spans.map((span) => span.getAttribute("data-expert")));
      return again;
    })
    .toEqual(first.map(([expert]) => expert));
});
