// What it looks like in light and dark, in mid-answer with the Experts pane moving.
import { firstWords, makeAnswersLong, send, waitUntilDone } from "./chat.ts";
import { expect, test } from "./conclaveApp.ts";
import { choose, picture } from "./looks.ts";

for (const theme of ["light", "dark"] as const) {
  test(`the chat in mid-answer, ${theme}`, async ({ conclaveApp }) => {
    const { page, entry } = conclaveApp;
    await choose(page, theme);
    await makeAnswersLong(conclaveApp);
    const answer = await send(page, "Tell me a story about a fox");
    await firstWords(answer, 200);
    await page.screenshot({ path: picture(`chat-${theme}-${entry}.png`) });
    await expect(answer).toHaveAttribute("aria-busy", "true");
    await page.keyboard.press("Escape");
    await waitUntilDone(page, answer);
    const [background, text] = await page.evaluate(() => {
      const luminance = (colour: string): number => {
        const context = document.createElement("canvas").getContext("2d");
        if (context === null) return -1;
        context.fillStyle = colour;
        context.fillRect(0, 0, 1, 1);
        const [red = 0, green = 0, blue = 0] = context.getImageData(0, 0, 1, 1).data;
        return (red + green + blue) / 765;
      };
      const style = getComputedStyle(document.body);
      return [luminance(style.backgroundColor), luminance(style.color)];
    });
    if (theme === "light") expect(background).toBeGreaterThan(text ?? 1);
    else expect(background).toBeLessThan(text ?? 0);
  });
}

test("the whole way by keyboard: write, send, stop, new chat, back", async ({ conclaveApp }) => {
  const { page } = conclaveApp;
  await makeAnswersLong(conclaveApp);
  await page.getByRole("textbox", { name: "Message", exact: true }).focus();
  await page.keyboard.type("Tell me a long story");
  await page.keyboard.press("Enter");
  const answer = page.getByRole("article", { name: "Answer" }).first();
  await firstWords(answer);
  await page.keyboard.press("Escape");
  await waitUntilDone(page, answer);
  await page.keyboard.press("Control+Shift+O");
  await expect(page.getByRole("heading", { name: "Ask, and watch which experts answer" })).toBeVisible();
  await page.keyboard.press("Control+B");
  await expect(page.getByRole("navigation", { name: "Conversations" })).toHaveCount(0);
  await page.keyboard.press("Control+B");
  await page.keyboard.press("Control+J");
  await expect(page.getByRole("complementary", { name: "Experts" })).toHaveCount(0);
});
