/** The promises of the double, proved with a main process, a preload and a page of its own in a real Chromium. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ElectronDouble } from "./launch.ts";
import { Codec } from "./world/codec.ts";

type Api = {
  invoke(channel: string, ...args: unknown[]): Promise<unknown>;
  shout(text: string): void;
  onEchoed(listener: (text: string, bytes?: Uint8Array) => void): () => number;
  double(n: number): Promise<number>;
  version(): string;
  throwing(): never;
  probe: Record<string, unknown>;
};
type Seen = {
  navigations: string[];
  requests: string[];
  permissions: string[];
  gone: { type: string; reason: string; exitCode: number }[];
  second: string[];
  send: string;
};
declare global {
  interface Window {
    api: Api;
    apiAtStart: string;
  }
}

const main = join(import.meta.dirname, "fixture", "main.mjs");
const folder = mkdtempSync(join(tmpdir(), "double-test-"));
const args = [`--user-data-dir=${folder}`];
let double: ElectronDouble;
let page: Page;
const seen = () => page.evaluate(() => window.api.invoke("seen")) as Promise<Seen>;

beforeAll(async () => {
  double = await ElectronDouble.launch({ main, args });
  page = await double.firstWindow();
  await page.waitForFunction(() => document.readyState === "complete");
}, 60_000);

afterAll(async () => {
  await double?.close();
  rmSync(folder, { recursive: true, force: true });
});

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
  });

  it("asks webRequest for every request and blocks what it cancels", async () => {
    // An image is stopped by the CSP before it is a request; a form of request the CSP allows is stopped by webRequest.
    await page.evaluate(() => fetch("https://bundle.app.invalid/data.json"));
    const { requests } = await seen();
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

describe("security", () => {
  it("stops a navigation that will-navigate prevents, and lets an allowed one pass", async () => {
    await page.evaluate(() => {
      location.href = "https://evil.test/x";
    });
    await expect.poll(async () => (await seen()).navigations).toContain("will-navigate https://evil.test/x");
    expect(page.url()).toBe("https://bundle.app.invalid/");
    expect((await seen()).requests.join()).not.toContain("evil.test");
    await page.evaluate(() => {
      location.href = "/?again";
    });
    await page.waitForURL("**/?again");
    expect((await seen()).navigations).toContain("will-navigate app://bundle/?again");
    await expect
      .poll(() => page.evaluate(() => window.api.invoke("echo", 2)))
      .toMatchObject({ url: "app://bundle/?again" });
  });

  it("announces a frame’s navigation as will-frame-navigate only", async () => {
    await page.evaluate(() => document.querySelector("iframe")?.setAttribute("src", "https://evil.test/frame"));
    await page.evaluate(() => document.querySelector("iframe")?.setAttribute("src", "/frame.html?2"));
    await expect
      .poll(async () => (await seen()).navigations)
      .toContain("will-frame-navigate app://bundle/frame.html?2");
    expect(
      (await seen()).navigations.filter((line) => line.startsWith("will-navigate") && line.includes("frame")),
    ).toEqual([]);
  });

  it("sees an outside scheme as a navigation", async () => {
    await page.evaluate(() => {
      location.href = "ms-msdt:/id";
    });
    await expect.poll(async () => (await seen()).navigations).toContain("will-navigate ms-msdt:/id");
  });

  it("does not take the test’s reload for a navigation by the page", async () => {
    const before = (await seen()).navigations.length;
    await page.reload();
    expect(await page.textContent("h1")).toBe("Hello");
    expect((await seen()).navigations.slice(before).filter((line) => line.startsWith("will-navigate"))).toEqual([]);
    await page.evaluate(() => location.reload());
    await expect
      .poll(async () => (await seen()).navigations.slice(before).filter((line) => line.startsWith("will-navigate")))
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
      .poll(async () => (await double.calls("webContents", "windowOpen")).map((call) => call.args))
      .toEqual(
        expect.arrayContaining([
          ["https://evil.test/popup", "deny"],
          ["https://evil.test/blank", "deny"],
        ]),
      );
    expect(await double.windowFacts()).toHaveLength(1);
    await expect.poll(() => page.context().pages().length).toBe(1);
    expect((await seen()).requests.join()).not.toContain("evil.test");
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
    expect((await seen()).permissions).toContain("geolocation");
  });
});

describe("utility process", () => {
  it("answers over a transferred port, without Node’s own IPC", async () => {
    const answer = await page.evaluate(() => window.api.invoke("engine", new Uint8Array([1, 2, 3])));
    expect(answer).toMatchObject({ sum: 6, hello: "engine", send: "undefined" });
  });

  it("is killed, told of, and started again", async () => {
    const pids = await double.crash.utilityProcess();
    expect(pids).toHaveLength(1);
    await expect
      .poll(async () => (await seen()).gone)
      .toMatchObject([{ type: "Utility", reason: "killed", exitCode: 9 }]);
    await page.evaluate(() => window.api.invoke("restart"));
    const answer = (await page.evaluate(() => window.api.invoke("engine", new Uint8Array([7])))) as {
      sum: number;
      pid: number;
    };
    expect(answer.sum).toBe(7);
    expect(pids).not.toContain(answer.pid);
  });
});

describe("the desktop", () => {
  it("answers dialogs as told, once, and records what leaves the app", async () => {
    await double.dialog.answerNext("showMessageBox", { response: 0 });
    const confirm = () => page.evaluate(() => window.api.invoke("confirm", "https://example.org/"));
    expect(await confirm()).toBe(0);
    expect(await confirm()).toBe(1);
    expect((await double.calls("shell", "openExternal")).map((call) => call.args[0])).toEqual(["https://example.org/"]);
  });

  it("clicks menu items", async () => {
    await page.evaluate(() => window.api.onEchoed((text) => document.body.setAttribute("data-heard", text)));
    await double.menu.click("Greet");
    await expect.poll(() => page.getAttribute("body", "data-heard")).toBe("MENU");
    await expect(double.menu.click("Nothing")).rejects.toThrow(/No menu item/);
  });

  it("lets one instance live and tells it of the second", async () => {
    await expect(ElectronDouble.launch({ main, args: [...args, "second"] })).rejects.toThrow(/exited with 3/);
    await expect.poll(async () => (await seen()).second).toEqual(["second"]);
  });

  it("hides the test’s channel from the main process", async () => {
    expect((await seen()).send).toBe("undefined");
  });

  it("quits in order, with code 0 and no engine left", async () => {
    const { pid } = (await page.evaluate(() => window.api.invoke("engine", new Uint8Array([1])))) as { pid: number };
    expect(await double.close()).toBe(0);
    await expect
      .poll(() => {
        try {
          process.kill(pid, 0);
          return "alive";
        } catch {
          return "gone";
        }
      })
      .toBe("gone");
  });
});

describe("Codec", () => {
  it("keeps cycles and shared references", () => {
    const value: Record<string, unknown> = { list: [1] };
    value["self"] = value;
    value["again"] = value["list"];
    const codec = new Codec();
    const back = codec.decode(codec.encode(value)) as Record<string, unknown>;
    expect(back["self"]).toBe(back);
    expect(back["again"]).toBe(back["list"]);
  });

  it("does not let a __proto__ key reach the prototype", () => {
    const codec = new Codec();
    const back = codec.decode(codec.encode(JSON.parse('{"__proto__":{"x":1}}'))) as { x?: number };
    expect(back.x).toBeUndefined();
    expect(Object.keys(back)).toEqual(["__proto__"]);
  });
});
