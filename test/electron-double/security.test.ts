/** What a main process forbids is forbidden in the double: navigation, windows, permissions. In a real Chromium. */
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startFixture, type Fixture } from "./fixture/startFixture.ts";

let fixture: Fixture;
let page: Page;

beforeAll(async () => {
  fixture = await startFixture();
  page = fixture.page;
}, 60_000);

afterAll(() => fixture?.close());

describe("security", () => {
  it("stops a navigation that will-navigate prevents, and lets an allowed one pass", async () => {
    await page.evaluate(() => {
      location.href = "https://evil.test/x";
    });
    await expect.poll(async () => (await fixture.seen()).navigations).toContain("will-navigate https://evil.test/x");
    expect(page.url()).toBe("https://bundle.app.invalid/");
    expect((await fixture.seen()).requests.join()).not.toContain("evil.test");
    await page.evaluate(() => {
      location.href = "/?again";
    });
    await page.waitForURL("**/?again");
    expect((await fixture.seen()).navigations).toContain("will-navigate app://bundle/?again");
    await expect
      .poll(() => page.evaluate(() => window.api.invoke("echo", 2)))
      .toMatchObject({ url: "app://bundle/?again" });
  });

  it("announces a frame’s navigation as will-frame-navigate only", async () => {
    await page.evaluate(() => document.querySelector("iframe")?.setAttribute("src", "https://evil.test/frame"));
    await page.evaluate(() => document.querySelector("iframe")?.setAttribute("src", "/frame.html?2"));
    await expect
      .poll(async () => (await fixture.seen()).navigations)
      .toContain("will-frame-navigate app://bundle/frame.html?2");
    expect(
      (await fixture.seen()).navigations.filter((line) => line.startsWith("will-navigate") && line.includes("frame")),
    ).toEqual([]);
  });

  it("sees an outside scheme as a navigation", async () => {
    await page.evaluate(() => {
      location.href = "ms-msdt:/id";
    });
    await expect.poll(async () => (await fixture.seen()).navigations).toContain("will-navigate ms-msdt:/id");
    await page.evaluate(() => document.addEventListener("click", () => document.body.setAttribute("data-clicked", "")));
    await page.click("h1");
    expect(await page.getAttribute("body", "data-clicked")).toBe("");
  });

  it("does not take the test’s reload for a navigation by the page", async () => {
    const before = (await fixture.seen()).navigations.length;
    await page.reload();
    expect(await page.textContent("h1")).toBe("Hello");
    expect((await fixture.seen()).navigations.slice(before).filter((line) => line.startsWith("will-navigate"))).toEqual(
      [],
    );
    const loaded = page.waitForEvent("load");
    await page.evaluate(() => location.reload());
    await loaded;
    await expect
      .poll(async () =>
        (await fixture.seen()).navigations.slice(before).filter((line) => line.startsWith("will-navigate")),
      )
      .toHaveLength(1);
  });

  it("denies window.open and links to a new window", async () => {
    await page.waitForFunction(() => document.readyState === "complete");
    expect(await page.evaluate(() => window.open("https://evil.test/popup"))).toBeNull();
    await page.evaluate(() => {
      const link = Object.assign(document.createElement("a"), {
        href: "https://evil.test/blank",
        target: "_blank",
        textContent: "out",
      });
      document.body.append(link);
      link.click();
    });
    await expect
      .poll(async () => (await fixture.double.calls("webContents", "windowOpen")).map((call) => call.args))
      .toEqual(
        expect.arrayContaining([
          ["https://evil.test/popup", "deny"],
          ["https://evil.test/blank", "deny"],
        ]),
      );
    expect(await fixture.double.windowFacts()).toHaveLength(1);
    await expect.poll(() => page.context().pages().length, { timeout: 5000 }).toBe(1);
    expect((await fixture.seen()).requests.join()).not.toContain("evil.test");
  });

  it("denies permissions that the handlers deny", async () => {
    const states = await page.evaluate(() =>
      Promise.all(
        ["geolocation", "notifications", "clipboard-read", "clipboard-write", "camera"].map(async (name) => [
          name,
          (await navigator.permissions.query({ name: name as PermissionName })).state,
        ]),
      ),
    );
    expect(Object.fromEntries(states)).toEqual({
      geolocation: "denied",
      notifications: "denied",
      "clipboard-read": "denied",
      "clipboard-write": "granted",
      camera: "denied",
    });
    expect(await page.evaluate(() => navigator.clipboard.writeText("x").then(() => "written", String))).toBe("written");
    expect(await page.evaluate(() => navigator.clipboard.readText().then(() => "read", String))).toMatch(
      /NotAllowedError/,
    );
    expect((await fixture.seen()).permissions).toContain("geolocation");
    expect(new Set((await fixture.seen()).origins)).toEqual(new Set(["app://bundle/"]));
  });
});
