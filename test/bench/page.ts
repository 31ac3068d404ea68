/**
 * `npm run bench:ui`: how smooth the page is, in Chromium over the web entry: opening a conversation of 2,000 messages and
 * 1 MB, scrolling it slowly and fast, and answers of --tokens N (20,000) streaming in from an engine that says 500 a second. Prints median, 95th percentile and
 * slowest frame beside what is promised, and how many frames took over 50 ms; with --trace also where a frame's time went.
 * Wants a quiet machine; the engine takes one core while it writes.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chromium, type Browser, type Page } from "@playwright/test";
import { insertConversation, updateConversation } from "../../electron/db/conversations.ts";
import type { Database } from "../../electron/db/database.ts";
import { importMessages } from "../../electron/db/importConversation.ts";
import { openDatabase } from "../../electron/db/openDatabase.ts";
import { chromiumPath } from "../electron-double/browser.ts";
import { composer, sidebar } from "../e2e/chat.ts";
import { startWebEntry } from "../e2e/entries/web.ts";
import { markdownTable, surroundings } from "./machine.ts";
import { median } from "./measure.ts";
import { startMetronome } from "./metronome.ts";
import { traced } from "./pageTrace.ts";

const messageCount = 2000;
/** px a frame, and how many frames. */
const scrolls = [
  [120, 300],
  [600, 300],
  [3000, 100],
] as const;
const tokensPerSecond = 500;
const wordsInBlock = 60;
const title = "A long conversation";
const lastWords = "The very last words.";

const answers: readonly string[] = [
  "The **fox** went to the river, and *then* to the hill.\n\n1. First the barn\n2. then the [village](https://example.org)\n3. at last the sea",
  "| river | km |\n| - | -: |\n| Rhine | 1,233 |\n| Danube | 2,857 |\n\nBoth begin in the same mountains.",
  "```ts\n// The sum of a list.\nexport const sum = (list: readonly number[]): number =>\n  list.reduce((total, value) => total + value, 0);\n```\n\nCall it with a list.",
  "The area is $\\pi r^2$, so\n\n\\[ A = \\int_0^r 2 \\pi x\\,dx \\]\n\nand that is all there is to it.",
  "> It was said long ago,\n> and it is still true.\n\nThe wolf did not agree, and went home through the forest in the rain.",
];

/** 2,000 messages, 500 characters each. */
function fill(db: Database): void {
  insertConversation(db, { id: "long", title, createdAt: 1 });
  const messages = Array.from({ length: messageCount }, (_, index) => {
    const isAnswer = index % 2 === 1;
    const kind = isAnswer ? (answers[(index >> 1) % answers.length] ?? "") : "What happened after that?";
    const story = `\n\nMessage ${index}: ${"the fox and the wolf went on over the hill. ".repeat(12)}`;
    const text = index === messageCount - 1 ? lastWords : (kind + story).slice(0, 512);
    return {
      id: `m${index}`,
      parentId: index === 0 ? null : `m${index - 1}`,
      role: isAnswer ? ("assistant" as const) : ("user" as const),
      state: "complete" as const,
      createdAt: index,
      parts: [{ type: "text" as const, text }],
      attachments: [],
      run: null,
    };
  });
  const ids = importMessages(db, "long", messages);
  updateConversation(db, "long", { activeLeafId: ids.get(`m${messageCount - 1}`) ?? null });
}

/** From the click to the first frame that shows the end of the conversation, in ms. */
async function openingMs(page: Page): Promise<number> {
  await page.getByRole("button", { name: "New chat", exact: true }).click();
  await page.getByRole("heading", { level: 1 }).waitFor();
  const button = sidebar(page).getByRole("button", { name: title, exact: true });
  return button.evaluate(
    (element, words) =>
      new Promise<number>((resolve) => {
        const began = performance.now();
        const look = (): void => {
          const last = [...document.querySelectorAll("article")].at(-1);
          if (last?.textContent.includes(words) !== true) requestAnimationFrame(look);
          // The frame after the one in which it was there is the one that has painted it.
          else requestAnimationFrame(() => resolve(performance.now() - began));
        };
        (element as HTMLElement).click();
        requestAnimationFrame(look);
      }),
    lastWords,
  );
}

/** Frame times while the thread is scrolled by so many px a frame, towards its beginning. */
function scrollFrames(page: Page, pixels: number, frames: number): Promise<number[]> {
  return page.getByRole("region", { name: "Conversation", exact: true }).evaluate(
    (thread, [step = 0, count = 0]) =>
      new Promise<number[]>((resolve) => {
        const times: number[] = [];
        let before = performance.now();
        const next = (now: number): void => {
          times.push(now - before);
          before = now;
          thread.scrollTop -= step;
          if (times.length < count) requestAnimationFrame(next);
          else resolve(times.slice(1));
        };
        requestAnimationFrame(next);
      }),
    [pixels, frames],
  );
}

/** Frame times from the question to the end of the answer. */
async function streamFrames(page: Page): Promise<number[]> {
  await page.evaluate(() => {
    const times: number[] = [];
    let before = performance.now();
    const next = (now: number): void => {
      times.push(now - before);
      before = now;
      requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
    Object.assign(window, { frameTimes: times });
  });
  await composer(page).fill("Tell me a story that does not end");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Stop", exact: true }).waitFor();
  await page.getByRole("button", { name: "Send", exact: true }).waitFor({ timeout: 400_000 });
  return page.evaluate(() => (window as unknown as { frameTimes: number[] }).frameTimes.slice(2));
}

/** Runs under the trace as well where that is asked for; tracing itself costs time, so its frames are not the ones to quote. */
type Watch = (what: string, work: () => Promise<number[]>) => Promise<number[]>;

function watchFor(browser: Browser, page: Page, said: string[], trace: boolean): Watch {
  return async (what, work) => {
    if (!trace) return work();
    const { frames, where } = await traced(browser, page, work);
    said.push(`${what}, ms a frame: ${where}`);
    return frames;
  };
}

const ms = (value: number): string => value.toFixed(1);

function row(what: string, times: readonly number[], promised: string): string[] {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  const slow = times.flatMap((time, frame) => (time > 50 ? [frame] : []));
  const where = slow.length === 0 || slow.length > 6 ? "" : ` (frame ${slow.join(", ")})`;
  return [what, String(times.length), ms(median(times)), ms(at(0.95)), ms(at(1)), `${slow.length}${where}`, promised];
}

/** Two answers: one of all that Markdown has, and one that is a single list, which ends with the answer only. */
const tunes = {
  "mixed text": (token: number): string => {
    const block = answers[Math.floor(token / wordsInBlock) % answers.length] ?? "";
    const words = block.split(/(?<=\s)/);
    const at = token % wordsInBlock;
    return at === wordsInBlock - 1 ? "\n\n" : (words[at] ?? "again ");
  },
  "one list": (token: number): string => (token % 12 === 0 ? `\n${token / 12 + 1}. **Point** ` : "word "),
} as const;

async function streams(browser: Browser, tokens: number, said: string[], trace: boolean): Promise<string[][]> {
  const rows: string[][] = [];
  for (const [name, textOf] of Object.entries(tunes)) {
    const web = await startMetronome({ tokensPerSecond, tokens, textOf });
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    await page.goto(web.url);
    await composer(page).waitFor();
    const what = `stream ${tokens.toLocaleString("en-US")} tokens, ${tokensPerSecond} a second: ${name}`;
    rows.push(row(what, await watchFor(browser, page, said, trace)(what, () => streamFrames(page)), "none over 50 ms"));
    await page.close();
    await web.close();
  }
  return rows;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { tokens: { type: "string", default: "20000" }, trace: { type: "boolean", default: false } },
  });
  const tokens = Number(values.tokens);
  const folder = mkdtempSync(join(tmpdir(), "conclave-bench-ui-"));
  const { database } = openDatabase(folder);
  fill(database);
  database.close();
  const browser = await chromium.launch({
    executablePath: chromiumPath(),
    args: ["--no-sandbox", "--disable-gpu"],
  });
  try {
    const app = await startWebEntry(folder, browser);
    const { page } = app;
    await composer(page).waitFor();
    const openings: number[] = [];
    for (let round = 0; round < 5; round += 1) openings.push(await openingMs(page));
    const rows = [
      ["what", "frames", "median ms", "95 % ms", "slowest ms", "over 50 ms", "promised"],
      [
        "open 2,000 messages",
        String(openings.length),
        ms(median(openings)),
        "",
        ms(Math.max(...openings)),
        "",
        "500 ms",
      ],
    ];
    const said: string[] = [];
    const watch = watchFor(browser, page, said, values.trace);
    for (const [pixels, frames] of scrolls) {
      const what = `scroll, ${pixels.toLocaleString("en-US")} px a frame`;
      rows.push(row(what, await watch(what, () => scrollFrames(page, pixels, frames)), "16.7 ms"));
    }
    await app.close();
    rows.push(...(await streams(browser, tokens, said, values.trace)));
    const { date, machine, conclave } = surroundings();
    console.log(`${date}, ${machine}, Conclave ${conclave}, Chromium ${browser.version()}\n`);
    console.log(`${markdownTable(rows)}\n\n${said.join("\n")}`);
  } finally {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

await main();
