// What keeps a library of a hundred thousand messages quick (`npm run bench:db` has the milliseconds): every question is
// answered from an index in the order in which it is asked, so that its cost does not grow with what lies behind it.
import { afterAll, beforeAll, expect, it } from "vitest";
import { commonWord, fillLibrary, rareWord } from "../../test/fixtures/largeLibrary.ts";
import { openTestDatabase } from "../../test/fixtures/testDatabase.ts";
import { listConversationsQuery } from "./conversations.ts";
import { messagesQuery } from "./messages.ts";
import { searchMessages, searchQuery, searchTerms } from "./search.ts";

const library = openTestDatabase();
const db = library.database;
beforeAll(() => fillLibrary(db, 2_000));
afterAll(() => library.remove());

const planOf = (query: string): string => db.plan(searchQuery(db, searchTerms(query), 50));

it.each([rareWord, commonWord, `${commonWord} ${rareWord}`, "混合专家", `${commonWord} zi`])(
  "finds “%s” by the search index, newest first, without a look at other messages and without sorting",
  (query) => {
    const [first, ...rest] = planOf(query).split("\n");
    expect(first).toMatch(/^SCAN message_search VIRTUAL TABLE INDEX \d+:M/);
    expect(rest.filter((step) => !/^SEARCH \w+ USING (?:INTEGER PRIMARY KEY|INDEX)/.test(step))).toEqual([]);
  },
);

it("looks through the texts only for terms too short for the index, newest first and no further than it must", () => {
  expect(planOf("zi")).toMatch(/^SCAN message_parts\n/);
  expect(planOf("zi")).not.toContain("TEMP B-TREE");
});

it("lists conversations and reads one of them without sorting", () => {
  expect(db.plan(listConversationsQuery(db))).toBe("SCAN conversations USING INDEX conversations_by_update");
  expect(db.plan(messagesQuery(db, "c1"))).toBe(
    "SEARCH messages USING INDEX messages_by_conversation (conversation_id=?)",
  );
});

it("finds the one and the many", () => {
  expect(searchMessages(db, rareWord, 50, "New chat").map(({ messageId }) => messageId)).toEqual(["c20m0"]);
  const many = searchMessages(db, commonWord, 50, "New chat");
  expect(many).toHaveLength(50);
  expect(many[0]?.conversationId).toBe("c39");
});
