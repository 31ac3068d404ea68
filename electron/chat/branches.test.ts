import { describe, expect, it } from "vitest";
import { branchTo, newestLeafUnder } from "./branches.ts";

const tree = [
  { id: "u1", parentId: null },
  { id: "a1", parentId: "u1" },
  { id: "a2", parentId: "u1" },
  { id: "u2", parentId: "a1" },
  { id: "a3", parentId: "u2" },
];

describe("branches", () => {
  it("walks from the root to the leaf", () => {
    expect(branchTo(tree, "a3").map((message) => message.id)).toEqual(["u1", "a1", "u2", "a3"]);
    expect(branchTo(tree, "a2").map((message) => message.id)).toEqual(["u1", "a2"]);
  });

  it("is empty for no leaf and for an unknown one", () => {
    expect(branchTo(tree, null)).toEqual([]);
    expect(branchTo(tree, "gone")).toEqual([]);
  });

  it("follows the newest child down", () => {
    expect(newestLeafUnder(tree, "u1")).toBe("a2");
    expect(newestLeafUnder(tree, "a1")).toBe("a3");
    expect(newestLeafUnder(tree, "a3")).toBe("a3");
  });

  it("ends on a cycle instead of hanging", () => {
    const cycle = [
      { id: "x", parentId: "y" },
      { id: "y", parentId: "x" },
    ];
    expect(branchTo(cycle, "x")).toHaveLength(2);
    expect(["x", "y"]).toContain(newestLeafUnder(cycle, "x"));
  });
});
