import { expect, it } from "vitest";
import { groupByAge } from "./groupByAge.ts";
import { conversationOf } from "./testMessages.ts";

it("puts each conversation under one heading, pinned first", () => {
  const now = new Date(2026, 10, 21, 12);
  const at = (id: string, daysAgo: number, pinned = false) =>
    conversationOf({ id, updatedAt: now.getTime() - daysAgo * 86_400_000, pinned });
  const groups = groupByAge([at("a", 0), at("b", 1), at("c", 5), at("d", 40), at("e", 40, true)], now);
  expect(groups.map(({ label, conversations }) => [label, conversations.map(({ id }) => id)])).toEqual([
    ["Pinned", ["e"]],
    ["Today", ["a"]],
    ["Yesterday", ["b"]],
    ["Previous 7 days", ["c"]],
    ["October 2026", ["d"]],
  ]);
});
