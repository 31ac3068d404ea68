/**
 * `npm run bench:db`: how long the sidebar and the search take on a large library. Fills a new database with --messages N
 * (100,000), then repeats every question and prints median and slowest beside what is promised; ends with 1 when a median is
 * over its promise. --plans also prints SQLite's plans.
 */
import { parseArgs } from "node:util";
import { untitled, listConversations, listConversationsQuery } from "../../electron/db/conversations.ts";
import type { Database } from "../../electron/db/database.ts";
import { listMessages } from "../../electron/db/messages.ts";
import { searchMessages, searchQuery, searchTerms } from "../../electron/db/search.ts";
import { commonWord, fillLibrary, rareWord } from "../fixtures/largeLibrary.ts";
import { openTestDatabase } from "../fixtures/testDatabase.ts";
import { markdownTable, surroundings } from "./machine.ts";
import { median } from "./measure.ts";

const repeats = 15;
/** As the sidebar asks. */
const hits = 50;

interface Question {
  readonly name: string;
  readonly promisedMs: number;
  /** @returns how many rows came back. */
  ask(): number;
}

const searches: readonly (readonly [name: string, query: string])[] = [
  ["a word of one message", rareWord],
  ["a word of nearly every message", commonWord],
  ["two common words", `${commonWord} rere`],
  ["a common and a rare word", `${commonWord} ${rareWord}`],
  ["a word that is nowhere", "unfindable"],
  ["half a word, in capitals", rareWord.slice(2, 8).toUpperCase()],
  ["two letters", "zi"],
  ["two letters that are nowhere", "wy"],
  ["one Chinese character", "混"],
  ["a Chinese character that is nowhere", "龘"],
  ["a Chinese word of four", "混合专家"],
];

function questions(db: Database): Question[] {
  return [
    { name: "list of conversations", promisedMs: 50, ask: () => listConversations(db).length },
    { name: "messages of one conversation", promisedMs: 50, ask: () => listMessages(db, "c100").length },
    ...searches.map(([name, query]) => ({
      name: `search: ${name}`,
      promisedMs: 100,
      ask: () => searchMessages(db, query, hits, untitled).length,
    })),
  ];
}

function timesOf(ask: () => number): { readonly rows: number; readonly ms: readonly number[] } {
  let rows = ask();
  const ms = Array.from({ length: repeats }, () => {
    const began = performance.now();
    rows = ask();
    return performance.now() - began;
  });
  return { rows, ms };
}

function printPlans(db: Database): void {
  console.log(`\nlist of conversations:\n${db.plan(listConversationsQuery(db))}`);
  for (const [name, query] of searches) {
    console.log(`\nsearch: ${name}:\n${db.plan(searchQuery(db, searchTerms(query), hits))}`);
  }
}

const { values } = parseArgs({
  options: { messages: { type: "string", default: "100000" }, plans: { type: "boolean", default: false } },
});
const { database, remove } = openTestDatabase();
try {
  const began = performance.now();
  fillLibrary(database, Number(values.messages));
  const filled = ((performance.now() - began) / 1000).toFixed(1);
  const { date, machine, conclave } = surroundings();
  console.log(`${values.messages} messages, written in ${filled} s; ${date} UTC, ${machine}, Conclave ${conclave}\n`);
  let late = 0;
  const rows = questions(database).map(({ name, promisedMs, ask }) => {
    const { rows: found, ms } = timesOf(ask);
    if (median(ms) > promisedMs) late += 1;
    return [name, String(found), median(ms).toFixed(1), Math.max(...ms).toFixed(1), String(promisedMs)];
  });
  console.log(markdownTable([["question", "rows", "median ms", "slowest ms", "promised ms"], ...rows]));
  if (values.plans) printPlans(database);
  if (late > 0) {
    console.error(`\n${late} of ${rows.length} questions took longer than promised.`);
    process.exitCode = 1;
  }
} finally {
  remove();
}
