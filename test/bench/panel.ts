/**
 * `npm run bench:panel [-- --seconds N]`: what the live expert panel costs. The real page in a real Chromium over the web entry;
 * the engine is a metronome that says 50 tokens a second with the routing of OLMoE-1B-7B (16 layers, 8 of 64 experts). The
 * time of the page's main thread and of all of Chromium's processes is taken with the panel open and closed, in turns, and
 * their difference is printed as a share of one core; it ends with 1 when the panel takes more than the promised 2 %.
 */
import { parseArgs } from "node:util";
import { type CDPSession, chromium, type Page } from "playwright-core";
import { buildAll } from "../../build/buildAll.ts";
import { ensureChromium } from "../../build/chromium.ts";
import { markdownTable, surroundings } from "./machine.ts";
import { median } from "./measure.ts";
import { metronomeModel, startMetronome } from "./metronome.ts";

const tokensPerSecond = 50;
const promisedShare = 0.02;
const rounds = 3;

interface Cost {
  /** Seconds of the main thread, and of all processes. */
  readonly main: number;
  readonly all: number;
}

async function spent(page: CDPSession, browser: CDPSession): Promise<Cost> {
  const { metrics } = await page.send("Performance.getMetrics");
  const { processInfo } = await browser.send("SystemInfo.getProcessInfo");
  return {
    main: metrics.find(({ name }) => name === "TaskDuration")?.value ?? 0,
    all: processInfo.reduce((sum, { cpuTime }) => sum + cpuTime, 0),
  };
}

/** One answer of `seconds`; the first second, in which everything appears, is not counted. */
async function answer(page: Page, sessions: readonly [CDPSession, CDPSession], seconds: number): Promise<Cost> {
  await page.getByRole("button", { name: "New chat" }).first().click();
  await page.getByRole("textbox", { name: "Message" }).fill("Go on");
  await page.keyboard.press("Enter");
  await page.waitForTimeout(1000);
  const before = await spent(...sessions);
  const began = performance.now();
  await page.waitForTimeout(seconds * 1000);
  const after = await spent(...sessions);
  const passed = (performance.now() - began) / 1000;
  await page.keyboard.press("Escape");
  await page.locator('article[aria-busy="true"]').waitFor({ state: "detached" });
  return { main: (after.main - before.main) / passed, all: (after.all - before.all) / passed };
}

async function measure(url: string, seconds: number): Promise<{ open: Cost[]; closed: Cost[] }> {
  const browser = await chromium.launch({ executablePath: await ensureChromium(), args: ["--no-sandbox"] });
  try {
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    await page.goto(url);
    const session = await page.context().newCDPSession(page);
    await session.send("Performance.enable");
    const sessions = [session, await browser.newBrowserCDPSession()] as const;
    const open: Cost[] = [];
    const closed: Cost[] = [];
    await answer(page, sessions, 1); // warms the code up
    for (let round = 0; round < rounds; round += 1) {
      open.push(await answer(page, sessions, seconds));
      await page.keyboard.press("ControlOrMeta+j");
      closed.push(await answer(page, sessions, seconds));
      await page.keyboard.press("ControlOrMeta+j");
    }
    return { open, closed };
  } finally {
    await browser.close();
  }
}

const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;
const { values } = parseArgs({ options: { seconds: { type: "string", default: "8" } } });
await buildAll(["renderer"]);
const web = await startMetronome({
  tokensPerSecond,
  textOf: (token) => (token % 12 === 11 ? "word.\n\n" : "word "),
});
try {
  const { open, closed } = await measure(web.url, Number(values.seconds));
  const of = (costs: readonly Cost[], part: keyof Cost): number => median(costs.map((cost) => cost[part]));
  const extra = (part: keyof Cost): number => of(open, part) - of(closed, part);
  const { date, machine, conclave } = surroundings();
  const { moeLayers: layers, expertsUsed: used, experts } = metronomeModel;
  process.stdout.write(
    `${date}, ${machine}, Conclave ${conclave}: ${tokensPerSecond} tokens/s, ${layers} layers, ${used} of ${experts} experts\n\n` +
      `${markdownTable([
        ["share of one core", "panel open", "panel closed", "the panel"],
        ["the page's main thread", percent(of(open, "main")), percent(of(closed, "main")), percent(extra("main"))],
        ["all of Chromium", percent(of(open, "all")), percent(of(closed, "all")), percent(extra("all"))],
      ])}\n`,
  );
  if (extra("main") > promisedShare) {
    process.stderr.write(
      `Error: the panel takes ${percent(extra("main"))} of a core; ${percent(promisedShare)} are promised.\n`,
    );
    process.exitCode = 1;
  }
} finally {
  await web.close();
}
