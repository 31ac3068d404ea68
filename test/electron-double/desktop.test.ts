/** Processes and the desktop in the double: utility processes, dialogs, menus, instances, the way out. */
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startFixture, type Fixture } from "./fixture/startFixture.ts";
import { ElectronDouble } from "./launch.ts";
import { fixtureMain } from "./fixture/startFixture.ts";

let fixture: Fixture;
let page: Page;

beforeAll(async () => {
  fixture = await startFixture();
  page = fixture.page;
}, 60_000);

afterAll(() => fixture?.close());

describe("utility process", () => {
  it("answers over a transferred port, without Node’s own IPC", async () => {
    const answer = await page.evaluate(() => window.api.invoke("engine", new Uint8Array([1, 2, 3])));
    expect(answer).toMatchObject({ sum: 6, hello: "engine", send: "undefined" });
  });

  it("is killed, told of, and started again", async () => {
    const pids = await fixture.double.crash.utilityProcess();
    expect(pids).toHaveLength(1);
    await expect
      .poll(async () => (await fixture.seen()).gone)
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
    await fixture.double.dialog.answerNext("showMessageBox", { response: 0 });
    const confirm = () => page.evaluate(() => window.api.invoke("confirm", "https://example.org/"));
    expect(await confirm()).toBe(0);
    expect(await confirm()).toBe(1);
    expect((await fixture.double.calls("shell", "openExternal")).map((call) => call.args[0])).toEqual([
      "https://example.org/",
    ]);
  });

  it("clicks menu items", async () => {
    await page.evaluate(() => window.api.onEchoed((text) => document.body.setAttribute("data-heard", text)));
    await fixture.double.menu.click("Greet");
    await expect.poll(() => page.getAttribute("body", "data-heard")).toBe("MENU");
    await expect(fixture.double.menu.click("Nothing")).rejects.toThrow(/No menu item/);
  });

  it("lets one instance live and tells it of the second", async () => {
    await expect(ElectronDouble.launch({ main: fixtureMain, args: [...fixture.args, "second"] })).rejects.toThrow(
      /exited with 3/,
    );
    await expect.poll(async () => (await fixture.seen()).second).toEqual(["second"]);
  });

  it("hides the test’s channel from the main process", async () => {
    expect((await fixture.seen()).send).toBe("undefined");
  });

  it("quits in order, with code 0 and no engine left", async () => {
    const { pid } = (await page.evaluate(() => window.api.invoke("engine", new Uint8Array([1])))) as { pid: number };
    expect(await fixture.close()).toBe(0);
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
