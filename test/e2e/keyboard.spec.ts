// Without a mouse: the palette, finding in a conversation, other shortcuts.
import { composer, send, waitUntilDone } from "./chat.ts";
import { expect, test } from "./conclaveApp.ts";

test("a command is found by its name, and takes other keys that outlive the app", async ({ conclaveApp }) => {
  let { page } = conclaveApp;
  await page.keyboard.press("Control+p");
  await page.keyboard.type("keyboard");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
  await page.getByRole("button", { name: "Keys for Find in this conversation: Ctrl+F" }).focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Control+Shift+f");
  await expect(page.getByRole("button", { name: "Keys for Find in this conversation: Ctrl+Shift+F" })).toBeVisible();
  await page.keyboard.press("Escape");
  page = await conclaveApp.restart();
  await waitUntilDone(page, await send(page, "Who are you?"));
  await page.keyboard.press("Control+Shift+f");
  await expect(page.getByRole("textbox", { name: "Find in this conversation" })).toBeFocused();
});

test("words are found in the conversation and stepped through", async ({ conclaveApp: { page } }) => {
  await waitUntilDone(page, await send(page, "badger one badger"));
  await waitUntilDone(page, await send(page, "and a Badger again"));
  await page.keyboard.press("Control+f");
  await page.keyboard.type("badger");
  const bar = page.getByRole("search", { name: "Find in this conversation" });
  await expect(bar.getByRole("status")).toHaveText(/^1 of \d+$/);
  const total = Number((await bar.getByRole("status").innerText()).split(" ").at(-1));
  expect(total).toBeGreaterThanOrEqual(3);
  await page.keyboard.press("Enter");
  await expect(bar.getByRole("status")).toHaveText(`2 of ${total}`);
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.press("Shift+Enter");
  await expect(bar.getByRole("status")).toHaveText(`${total} of ${total}`);
  await page.keyboard.press("Escape");
  await expect(bar).toHaveCount(0);
  await expect(composer(page)).toBeFocused();
});
