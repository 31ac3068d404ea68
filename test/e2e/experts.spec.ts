// The Experts pane moves with the answer, and the words take the colours of their experts.
import { readFile } from "node:fs/promises";
import type { Page } from "@playwright/test";
import { experts, firstWords, makeAnswersLong, restartAndReopen, send, waitUntilDone } from "./chat.ts";
import { expect, test } from "./conclaveApp.ts";
import { violations } from "./looks.ts";

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
  await expect(experts(page).getByRole("status")).toHaveText(/^L1 E1: [\d.]+ %, [\d.]+× uniform · ▄ RAM$/);
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

  page = await restartAndReopen(conclaveApp);
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

test("a clicked token shows its experts, and a chosen expert all its tokens; the keyboard does the same", async ({
  conclaveApp: { page },
}) => {
  await waitUntilDone(page, await send(page, "Tell me a story about a boat and a storm"));
  await experts(page).getByRole("tab", { name: "Tokens" }).click();
  const answer = page.getByRole("group", { name: /Answer by token/ });
  const second = page.getByTestId("coloured-text").locator("[data-expert]").nth(1);
  await second.click();
  await expect(experts(page).getByText(/^\d+ of \d+$/)).toBeVisible();
  await expect(experts(page).getByRole("button", { name: /^L0 E\d \d+ %$/ })).toHaveCount(2);
  await expect(experts(page).getByRole("button", { name: /^L3 E\d \d+ %$/ })).toHaveCount(2);
  // The weights of one layer are shares of one: both are there, and not equal by accident of rounding.
  const weights = await experts(page)
    .getByRole("button", { name: /^L2 E\d \d+ %$/ })
    .evaluateAll((buttons) => buttons.map((button) => Number(/ (\d+) %$/.exec(button.textContent)?.[1])));
  expect(weights[0]).toBeGreaterThanOrEqual(weights[1] ?? 101);

  await experts(page).getByRole("button", { name: /^L0 E/ }).first().click();
  await expect(experts(page).getByRole("status")).toHaveText(
    /^Expert \d of layer 0 took \d+ of \d+ tokens of this answer/,
  );
  const marked = page.getByTestId("coloured-text").locator("[data-marked]");
  await expect(marked).not.toHaveCount(0);
  await expect(page.getByTestId("coloured-text").locator("[data-expert]:not([data-marked])")).not.toHaveCount(0);
  expect(await violations(page)).toEqual([]);

  await answer.focus();
  await page.keyboard.press("Home");
  await expect(answer.getByRole("status")).toHaveText(/^Token 1 of \d+, ".+"\. Layer 0: E\d [\d.]+ %, E\d [\d.]+ %$/);
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowDown");
  await expect(answer.getByRole("status")).toHaveText(/^Token 2 of \d+, .*Layer 1:/);
  await page.keyboard.press("Escape");
  await expect(marked).toHaveCount(0);
});

test("the heat map covers the conversation, and its table holds every cell", async ({ conclaveApp: { page } }) => {
  await waitUntilDone(page, await send(page, "What food does a wolf eat?"));
  await waitUntilDone(page, await send(page, "And what does a fox eat?"));
  const tokensOf = async (): Promise<number> =>
    Number(/tokens: ([\d,]+)/.exec((await heatMap(page).getAttribute("aria-label")) ?? "")?.[1]?.replace(",", ""));
  const answer = await tokensOf();
  await experts(page).getByText("Conversation", { exact: true }).click();
  await expect.poll(tokensOf).toBeGreaterThan(answer);
  await experts(page).getByText("Last token").click();
  await expect.poll(tokensOf).toBe(1);
  await experts(page).getByText("All cells as a table").click();
  const cells = experts(page).getByRole("region", { name: "All cells as a table" });
  await expect(cells.getByRole("row")).toHaveCount(5);
  await expect(cells.getByRole("cell")).toHaveCount(4 * 8);
  expect(await violations(page)).toEqual([]);
});

test("topics are compared with the distance that chance gives beside theirs", async ({ conclaveApp: { page } }) => {
  await waitUntilDone(page, await send(page, "What food does a wolf eat?"));
  await experts(page).getByRole("tab", { name: "Topics" }).click();
  await expect(experts(page)).toContainText("Only one conversation with this model has a trace");
  await page.getByRole("button", { name: "New chat" }).first().click();
  await waitUntilDone(page, await send(page, "Tell me a story about a boat and a storm"));
  await expect(experts(page)).toContainText(
    /Mean distance over the layers: 0\.\d+; samples of this size differ by about 0\.\d+/,
  );
  await expect(experts(page).getByRole("img", { name: /^Heat map of / })).toHaveCount(2);
  await expect(experts(page).getByRole("row")).toHaveCount(5);
  expect(await violations(page)).toEqual([]);
});

test("every view is saved as numbers and as a picture", async ({ conclaveApp: { page, running } }) => {
  await waitUntilDone(page, await send(page, "Tell me a story about a boat and a storm"));
  const save = async (format: string): Promise<Buffer> => {
    await experts(page).getByRole("button", { name: "Save this view as a file" }).click();
    const offered = page.waitForEvent("download");
    const file = await running.saveOffered(() => page.getByRole("menuitem", { name: format }).click());
    expect((await offered).suggestedFilename()).toMatch(new RegExp(`^experts-\\w+\\.${format.toLowerCase()}$`));
    return readFile(file);
  };
  for (const view of ["Now", "Tokens", "Load", "Repeats", "Together", "Words", "Places"]) {
    await experts(page).getByRole("tab", { name: view }).click();
    const csv = (await save("CSV")).toString();
    expect(csv).toMatch(/^# model: Conclave Tiny\r\n(# .+\r\n)*# formula: .+\r\n/);
    expect(csv).toMatch(/^# layer: (all|\d+)\r$/m);
    expect(csv).toMatch(/^# tokens: \d+\r$/m);
    expect(JSON.parse((await save("JSON")).toString())).toMatchObject({ model: "Conclave Tiny", experts: 8 });
    expect((await save("SVG")).toString()).toMatch(/^<svg .*<\/svg>\n$/s);
    expect([...(await save("PNG")).subarray(0, 4)]).toEqual([0x89, 0x50, 0x4e, 0x47]);
  }
});

test("muting experts changes the answer, is compared with the plain one, and every steered answer says so", async ({
  conclaveApp: { page },
}) => {
  await waitUntilDone(page, await send(page, "Tell me a story about a boat and a storm"));
  await experts(page).getByRole("tab", { name: "Steer" }).click();
  await expect(experts(page)).toContainText("Experimental.");
  await experts(page).getByLabel("Steer the experts of this conversation").check();
  const compare = experts(page).getByRole("button", { name: "Answer the last question both ways" });
  await expect(compare).toBeDisabled();
  await experts(page).getByRole("combobox", { name: "Layer" }).last().selectOption("2");
  const chips = experts(page).getByRole("group", { name: "Experts of layer 2" });
  for (const expert of [6, 3]) {
    await chips.getByRole("button", { name: `E${expert}`, exact: true }).click();
    await experts(page).getByLabel("Mute: never chosen").check();
    await expect(chips.getByRole("button", { name: `E${expert} muted` })).toHaveAttribute("aria-pressed", "true");
  }
  await experts(page).getByRole("combobox", { name: "Experts per token" }).selectOption("1");
  expect(await violations(page)).toEqual([]);

  await compare.click();
  await expect(experts(page).getByRole("status")).toHaveText(
    /expects (each word|the words) of the plain answer|plain answer’s words/,
    {
      timeout: 60_000,
    },
  );
  const row = experts(page).getByRole("row", { name: /Log-prob/ });
  const [plain, steered] = (await row.getByRole("cell").allTextContents()).slice(-2).map(Number);
  expect(plain).toBeLessThan(0);
  expect(steered).toBeLessThan(plain ?? 0);
  const answer = page.getByRole("article", { name: "Answer" }).last();
  await expect(answer.getByText("Steered", { exact: true })).toBeVisible();

  // The trace of the steered answer holds one expert per token, and no muted one.
  await experts(page).getByRole("tab", { name: "Now" }).click();
  await expect(experts(page)).toContainText("1 of 8 experts active");
  await experts(page).getByText("All cells as a table").click();
  const cells = experts(page).getByRole("region").getByRole("row", { name: /^L2/ }).getByRole("cell");
  expect(await cells.nth(6).textContent()).toBe("0.0");
  expect(await cells.nth(3).textContent()).toBe("0.0");

  // All but one of a layer muted is one too many once each token takes two again.
  await experts(page).getByRole("tab", { name: "Steer" }).click();
  for (const expert of [0, 1, 2, 4, 5]) {
    await chips.getByRole("button", { name: `E${expert}`, exact: true }).click();
    await experts(page).getByLabel("Mute: never chosen").check();
  }
  await experts(page).getByRole("combobox", { name: "Experts per token" }).selectOption("2");
  await expect(experts(page).getByRole("alert")).toHaveText(
    /^Layer 2 has 1 experts left and each token needs 2: mute fewer/,
  );
});

test("traces say what they take, and are cleared for good", async ({ conclaveApp: { page } }) => {
  await waitUntilDone(page, await send(page, "What food does a wolf eat?"));
  await expect(experts(page)).toContainText(/Traces of this conversation: [\d.,]+ [kM]?B/);
  await experts(page).getByRole("button", { name: "Clear", exact: true }).click();
  const question = page.getByRole("dialog", { name: "Clear expert traces?" });
  expect(await violations(page)).toEqual([]);
  await question.getByRole("button", { name: "Clear", exact: true }).click();
  await expect(experts(page)).toContainText("This answer has no expert trace.");
  await expect(experts(page)).toContainText("All traces: 0 B");
  await expect(page.getByRole("article", { name: "Answer" })).toHaveCount(1);
});
