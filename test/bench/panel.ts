/**
 * `npm run bench:panel [-- --seconds N]`: what the live expert panel costs. The real page in a real Chromium over the web entry;
 * the engine is a metronome that says 50 tokens a second with the routing of OLMoE-1B-7B (16 layers, 8 of 64 experts). The
 * time of the page's main thread and of all of Chromium's processes is taken with the panel open and closed, in turns, and
 * their difference is printed as a share of one core; it ends with 1 when the panel takes more than the promised 2 %.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type CDPSession, chromium, type Page } from "playwright-core";
import { buildAll } from "../../build/buildAll.ts";
import { ensureChromium } from "../../build/chromium.ts";
import { repositoryRoot } from "../../build/vite.destination.ts";
import { createApp } from "../../electron/app/createApp.ts";
import { createLog } from "../../electron/app/log.ts";
import type { TraceChunk } from "../../electron/contract/experts.ts";
import type { EngineApi, RunEvents } from "../../electron/engine/engineApi.ts";
import { startWeb } from "../../electron/web/startWeb.ts";
import { createScriptedEngine, scriptedModel } from "../fixtures/scriptedEngine.ts";
import { markdownTable, surroundings } from "./machine.ts";
import { median } from "./measure.ts";

const tokensPerSecond = 50;
const promisedShare = 0.02;
const rounds = 3;
const model = { ...scriptedModel, layers: 16, moeLayers: 16, experts: 64, expertsUsed: 8, contextTrained: 100_000 };

/** Routing that wanders, so that cells change as they do in life. */
function routing(token: number, length: number): TraceChunk {
  const slots = model.moeLayers * model.expertsUsed;
  const experts = new Uint8Array(slots * 2);
  for (let slot = 0; slot < slots; slot += 1)
    experts[slot * 2] = (Math.floor(token / 7) * 13 + slot * 8 + ((token * slot) % 5)) % model.experts;
  const weights = new Uint8Array(slots).fill(32);
  const facts = { moeLayers: model.moeLayers, expertsUsed: model.expertsUsed, expertCount: model.experts };
  return {
    firstToken: token,
    tokens: 1,
    ...facts,
    experts,
    weights,
    textLengths: [length],
    drafted: new Uint8Array(1),
  };
}

/** Says a word every 20 ms until it is stopped. */
function metronome(): EngineApi {
  const scripted = createScriptedEngine();
  return {
    ...scripted,
    inspect: async () => model,
    async load(request, onProgress) {
      return { ...(await scripted.load(request, onProgress)), ...model, context: 100_000 };
    },
    run(request, events: RunEvents) {
      const { result, cancel } = scripted.run(request, events);
      let token = 0;
      const timer = setInterval(() => {
        const text = token % 12 === 11 ? "word.\n\n" : "word ";
        events.onTokens({ text, tokens: 1, tokenIds: Uint32Array.of(1), trace: routing(token, text.length) });
        token += 1;
      }, 1000 / tokensPerSecond);
      const stop = (): void => {
        clearInterval(timer);
        cancel();
      };
      return { result, cancel: stop };
    },
  };
}

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
const folder = mkdtempSync(join(tmpdir(), "conclave-panel-"));
writeFileSync(join(folder, "tiny-Q8_0.gguf"), "abc");
const log = createLog(join(folder, "logs"));
const app = createApp({
  version: "0.0.0",
  entry: "web",
  dataFolder: join(folder, "data"),
  modelFolders: [folder],
  engine: metronome(),
  log,
  pickModelFile: async () => null,
  openExternal: async () => false,
});
const web = await startWeb(app, join(repositoryRoot, "out/app/renderer"), 0, log);
try {
  const { open, closed } = await measure(web.url, Number(values.seconds));
  const of = (costs: readonly Cost[], part: keyof Cost): number => median(costs.map((cost) => cost[part]));
  const extra = (part: keyof Cost): number => of(open, part) - of(closed, part);
  const { date, machine, conclave } = surroundings();
  process.stdout.write(
    `${date}, ${machine}, Conclave ${conclave}: ${tokensPerSecond} tokens/s, ${model.moeLayers} layers, ${model.expertsUsed} of ${model.experts} experts\n\n` +
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
  await app.close();
  rmSync(folder, { recursive: true });
}
