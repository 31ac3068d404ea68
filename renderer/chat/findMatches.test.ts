import { expect, it } from "vitest";
import { findMatches } from "./findMatches.ts";

const page = (html: string): Element => {
  const root = document.createElement("div");
  root.innerHTML = html;
  return root;
};
const found = (html: string, query: string): string[] => findMatches(page(html), query).map(String);

it("finds every match without regard to case, in order", () =>
  expect(found("<p>The Fox and <b>the fox</b></p><p>FOX</p>", "fox")).toEqual(["Fox", "fox", "FOX"]));
it("finds nothing for nothing, and does not overlap", () => {
  expect(found("<p>aaa</p>", "")).toEqual([]);
  expect(found("<p>aaaa</p>", "aa")).toEqual(["aa", "aa"]);
});
it("leaves a text alone whose lower case has another length", () => expect(found("<p>İi fox</p>", "fox")).toEqual([]));
it("stops at two thousand", () => expect(found(`<p>${"ab ".repeat(3000)}</p>`, "ab")).toHaveLength(2000));
