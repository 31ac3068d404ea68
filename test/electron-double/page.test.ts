/** What a page gets in the double: its files, its preload, its line to the main process. In a real Chromium. */
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

describe("protocol and the page", () => {
  it("serves the scheme with the handler’s headers, and applies its CSP", async () => {
    expect(await page.textContent("h1")).toBe("Hello");
    const inline = await page.evaluate(() => {
      const script = document.createElement("script");
      script.textContent = "window.inlineRan = true";
      document.body.append(script);
      return "inlineRan" in window;
    });
    expect(inline).toBe(false);
    const served = await page.evaluate(async () => {
      const response = await fetch("/data.json");
      return {
        status: response.status,
        csp: response.headers.get("content-security-policy"),
        body: (await response.json()) as unknown,
        secure: isSecureContext,
      };
    });
    expect(served).toMatchObject({ status: 200, body: { served: true }, secure: true });
    expect(served.csp).toContain("script-src 'self'");
    expect(await page.evaluate(async () => (await fetch("/absent")).status)).toBe(404);
    expect(await page.evaluate(async () => (await fetch("/data.json")).headers.get("x-checked"))).toBe("xhr");
  });

  it("asks webRequest for every request and blocks what it cancels", async () => {
    // An image is stopped by the CSP before it is a request; a form of request the CSP allows is stopped by webRequest.
    await page.evaluate(() => fetch("https://bundle.app.invalid/data.json"));
    const { requests } = await fixture.seen();
    expect(requests).toContain("app://bundle/data.json");
    expect(requests.filter((url) => !url.startsWith("app:"))).toEqual([]);
  });
});

describe("preload", () => {
  it("runs before the page’s scripts, in a world of its own, without Node", async () => {
    expect(await page.evaluate(() => window.apiAtStart)).toBe("object");
    expect(await page.evaluate(() => window.api.probe)).toEqual({
      fs: true,
      childProcess: true,
      seesPage: "undefined",
      global: "undefined",
    });
    expect(
      await page.evaluate(() => ["ipcRenderer", "require", "process", "module"].filter((name) => name in window)),
    ).toEqual([]);
    expect(await page.evaluate(() => Object.isFrozen(window.api) && Object.isFrozen(window.api.probe))).toBe(true);
    expect(await page.evaluate(() => window.api.version())).toMatch(/^45\./);
  });

  it("is absent from subframes", async () => {
    const frame = page.frames().find((candidate) => candidate.url().endsWith("/frame.html"));
    expect(await frame?.evaluate(() => typeof window.api)).toBe("undefined");
  });

  it("passes values both ways as structured clone does", async () => {
    const result = await page.evaluate(async () => {
      const value = {
        bytes: new Uint8Array([0, 127, 255]),
        when: new Date(5),
        map: new Map([["a", [1n]]]),
        none: undefined,
        nan: NaN,
      };
      const back = ((await window.api.invoke("echo", value)) as { value: typeof value }).value;
      return [
        back.bytes instanceof Uint8Array,
        [...back.bytes],
        back.when.getTime(),
        String(back.map.get("a")?.[0]),
        "none" in back,
        Number.isNaN(back.nan),
      ];
    });
    expect(result).toEqual([true, [0, 127, 255], 5, "1", true, true]);
  });

  it("refuses what structured clone refuses", async () => {
    expect(
      await page.evaluate(() =>
        window.api
          .invoke("echo", () => 1)
          .then(
            () => "passed",
            (error: Error) => error.message,
          ),
      ),
    ).toMatch(/could not be cloned/);
    expect(
      await page.evaluate(() => {
        try {
          return String(window.api.invoke("echo", Symbol("x") as never));
        } catch (error) {
          return String(error);
        }
      }),
    ).toMatch(/could not be cloned/);
  });

  it("proxies callbacks and sync errors", async () => {
    const heard = await page.evaluate(
      () =>
        new Promise((resolve) => {
          const off = window.api.onEchoed((text, bytes) => resolve([text, [...(bytes ?? [])], off()]));
          window.api.shout("hello");
        }),
    );
    expect(heard).toEqual(["HELLO", [1, 2, 3], 1]);
    expect(
      await page.evaluate(() => {
        try {
          window.api.throwing();
          return "";
        } catch (error) {
          return String(error);
        }
      }),
    ).toBe("TypeError: from the preload");
  });
});

describe("ipcMain", () => {
  it("says who sent, with the scheme’s own address", async () => {
    const event = await page.evaluate(() => window.api.invoke("echo", 1));
    expect(event).toMatchObject({ value: 1, url: "app://bundle/", origin: "app://bundle", parent: null, same: true });
  });

  it("refuses misuse as Electron does, and says where it falls short of Electron", async () => {
    expect(await page.evaluate(() => window.api.invoke("misuse"))).toEqual({
      weak: expect.stringContaining("webPreferences.sandbox weakens the window"),
      webview: expect.stringContaining("webPreferences.webviewTag weakens the window"),
      late: expect.stringContaining("before app is ready"),
      gap: expect.stringContaining("app.configureHostResolver is not provided"),
      twice: "Attempted to register a second handler for 'echo'",
    });
  });

  it("rejects as Electron does", async () => {
    const message = (channel: string) =>
      page.evaluate(
        (name) =>
          window.api.invoke(name).then(
            () => "",
            (error: Error) => error.message,
          ),
        channel,
      );
    expect(await message("fail")).toBe("Error invoking remote method 'fail': RangeError: too far");
    expect(await message("nobody")).toBe(
      "Error invoking remote method 'nobody': Error: No handler registered for 'nobody'",
    );
  });

  it("carries message ports from the page", async () => {
    expect(await page.evaluate(() => window.api.double(21))).toBe(42);
  });
});
