// What only the desktop can forbid its page: leaving, opening windows, permissions. A browser tab belongs to its user.
import { send, waitUntilDone } from "./chat.ts";
import { expect, test } from "./conclaveApp.ts";

test("the page cannot leave or open a window", async ({ conclaveApp: { page } }) => {
  const home = page.url();
  await page.evaluate(() => {
    location.href = "https://evil.example/";
  });
  await page.evaluate(() => {
    location.href = "ms-msdt:/id";
  });
  expect(await page.evaluate(() => window.open("https://evil.example/popup"))).toBeNull();
  await page.evaluate(() => {
    const link = Object.assign(document.createElement("a"), { href: "https://evil.example/blank", target: "_blank" });
    document.body.append(link);
    link.click();
    link.remove();
  });
  await page.waitForTimeout(500);
  expect(page.url()).toBe(home);
  await expect.poll(() => page.context().pages().length).toBe(1);
  await waitUntilDone(page, await send(page, "Who are you?"));
});

test("permissions are denied, but for copying", async ({ conclaveApp: { page } }) => {
  const states = await page.evaluate(async () => {
    const names = ["geolocation", "notifications", "camera", "microphone", "clipboard-read", "clipboard-write"];
    return Object.fromEntries(
      await Promise.all(
        names.map(
          async (name) => [name, (await navigator.permissions.query({ name: name as PermissionName })).state] as const,
        ),
      ),
    );
  });
  expect(states).toEqual({
    geolocation: "denied",
    notifications: "denied",
    camera: "denied",
    microphone: "denied",
    "clipboard-read": "denied",
    "clipboard-write": "granted",
  });
});
