import { afterEach, expect, it } from "vitest";
import { setLanguage } from "../i18n/texts.ts";
import { formatBytes, formatCount, formatDuration, formatParameters, formatPercent, formatTokens } from "./format.ts";

it.each([
  [0, "0 B"],
  [999, "999 B"],
  [10_209_248, "10.2 MB"],
  [4_210_000_000, "4.21 GB"],
])("reads %d bytes as %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));

it.each([
  [7.4, "7 ms"],
  [0.2, "1 ms"],
  [840, "0.84 s"],
  [9_940, "9.9 s"],
  [75_000, "1 min 15 s"],
])("reads %d ms as %s", (ms, text) => expect(formatDuration(ms)).toBe(text));

it.each([
  [9_450_000, "9.45M"],
  [30_500_000_000, "30.5B"],
])("reads %d parameters as %s", (count, text) => expect(formatParameters(count)).toBe(text));

it.each([
  [812, "812"],
  [5_310, "5.3k"],
  [8_192, "8k"],
  [31_900, "32k"],
  [32_768, "32k"],
  [1_048_576, "1M"],
])("reads %d tokens as %s", (count, text) => expect(formatTokens(count)).toBe(text));

afterEach(() => setLanguage("en"));

it("writes numbers as the language does", async () => {
  await setLanguage("de");
  expect([formatBytes(4_210_000_000), formatDuration(840), formatCount(1200), formatPercent(0.041)]).toEqual([
    "4,21\u00A0GB",
    "0,84 s",
    "1.200",
    "4,1 %",
  ]);
  expect(formatTokens(5_310)).toBe("5,3k");
});
