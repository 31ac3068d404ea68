import { describe, expect, it } from "vitest";
import { messageOf } from "./testMessages.ts";
import { branchTo, newestLeafBelow, siblingsOf } from "./thread.ts";

//  q1 - a1
//     \ a2 - q2 - a3
const tree = new Map(
  [
    messageOf({ id: "q1", role: "user", createdAt: 1 }),
    messageOf({ id: "a1", parentId: "q1", createdAt: 2 }),
    messageOf({ id: "a2", parentId: "q1", createdAt: 3 }),
    messageOf({ id: "q2", parentId: "a2", role: "user", createdAt: 4 }),
    messageOf({ id: "a3", parentId: "q2", createdAt: 5 }),
  ].map((message) => [message.id, message]),
);
const ids = (messages: readonly { readonly id: string }[]): string[] => messages.map(({ id }) => id);
const get = (id: string) => tree.get(id) ?? messageOf();

describe("thread", () => {
  it("walks from root to leaf", () => expect(ids(branchTo(tree, "a3"))).toEqual(["q1", "a2", "q2", "a3"]));
  it("is empty for an unknown leaf", () => expect(branchTo(tree, "gone")).toEqual([]));
  it("ends on a cycle instead of hanging", () => {
    const loop = new Map([["x", messageOf({ id: "x", parentId: "x" })]]);
    expect(ids(branchTo(loop, "x"))).toEqual(["x"]);
  });
  it("lists versions oldest first", () => expect(ids(siblingsOf(tree, get("a2")))).toEqual(["a1", "a2"]));
  it("continues a chosen version at its newest leaf", () => expect(newestLeafBelow(tree, "a2")).toBe("a3"));
});
