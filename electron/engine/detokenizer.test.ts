import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeText, Detokenizer, StopStringMatcher } from "./detokenizer.ts";

/** A vocabulary of byte strings; ids are indices. */
const vocabulary = (
  tokens: readonly Uint8Array[],
  addsSpacePrefix = false,
): { tokenBytes: (id: number) => Uint8Array; addsSpacePrefix: boolean } => ({
  tokenBytes: (id) => tokens[id] ?? new Uint8Array(0),
  addsSpacePrefix,
});
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

describe("Detokenizer", () => {
  test("holds a character back until its last byte", () => {
    const detokenizer = new Detokenizer(
      vocabulary([bytes(0xed), bytes(0x95), bytes(0x9c, 0x21), bytes(0xf0, 0x9f), bytes(0x9a, 0x80)]),
    );
    expect([0, 1, 2, 3, 4].map((id) => detokenizer.push(id))).toEqual(["", "", "한!", "", "🚀"]);
    expect(detokenizer.flush()).toBe("");
  });

  test("writes U+FFFD as soon as bytes can be no character, and at the end for what never became one", () => {
    const detokenizer = new Detokenizer(vocabulary([bytes(0xe2), bytes(0x41), bytes(0xff), bytes(0xf0, 0x9f)]));
    expect([0, 1, 2, 3].map((id) => detokenizer.push(id))).toEqual(["", "\ufffdA", "\ufffd", ""]);
    expect(detokenizer.flush()).toBe("\ufffd");
  });

  test("drops the one prefix space at the start only, and not when text goes on", () => {
    const spaced = vocabulary([bytes(0x20, 0x61), bytes(0x20)], true);
    expect(decodeText(spaced, [0, 0])).toBe("a a");
    expect(decodeText(spaced, [1, 1, 0])).toBe("  a");
    expect(new Detokenizer(spaced, { continues: true }).push(0)).toBe(" a");
  });

  test("keeps a byte order mark", () => {
    expect(decodeText(vocabulary([bytes(0xef, 0xbb, 0xbf, 0x61)]), [0])).toBe("\ufeffa");
  });

  test("gives the same text however the bytes are cut into tokens", () => {
    const anyBytes = fc.oneof(
      fc.uint8Array({ maxLength: 24 }),
      fc.string({ unit: "binary", maxLength: 12 }).map((text) => new TextEncoder().encode(text)),
      fc
        .array(fc.constantFrom(0x41, 0x80, 0xbf, 0xc3, 0xe2, 0x82, 0xac, 0xed, 0xa0, 0xf0, 0x9f, 0xf4, 0x90), {
          maxLength: 24,
        })
        .map((list) => Uint8Array.from(list)),
    );
    fc.assert(
      fc.property(anyBytes, fc.array(fc.nat(24)), (all, cuts) => {
        const at = [0, ...cuts.filter((cut) => cut < all.length).sort((a, b) => a - b), all.length];
        const tokens = at.slice(1).map((end, i) => all.subarray(at[i], end));
        expect(decodeText(vocabulary(tokens), tokens.keys())).toBe(Buffer.from(all).toString("utf8"));
      }),
      { numRuns: 1000 },
    );
  });
});

/** The first stop string to be completed, by brute force. */
function firstStop(text: string, stops: readonly string[]): { text: string; stop: string | null } {
  for (let end = 1; end <= text.length; end++) {
    const done = stops.filter((stop) => text.slice(0, end).endsWith(stop)).sort((a, b) => b.length - a.length)[0];
    if (done !== undefined) return { text: text.slice(0, end - done.length), stop: done };
  }
  return { text, stop: null };
}

describe("StopStringMatcher", () => {
  test("holds back what may begin a stop string and lets it go when it does not", () => {
    const matcher = new StopStringMatcher(["\nUser:", "###"]);
    expect(matcher.push("Hi\nUs")).toEqual({ text: "Hi", stop: null });
    expect(matcher.push("age ##")).toEqual({ text: "\nUsage ", stop: null });
    expect(matcher.push("# more")).toEqual({ text: "", stop: "###" });
    expect(matcher.push("and more")).toEqual({ text: "", stop: "###" });
    expect(matcher.flush()).toEqual({ text: "", stop: "###" });
  });

  test("finds a stop string that begins inside a failed one", () => {
    const matcher = new StopStringMatcher(["aab"]);
    expect(matcher.push("aa")).toEqual({ text: "", stop: null });
    expect(matcher.push("ab!")).toEqual({ text: "a", stop: "aab" });
  });

  test("gives the same answer as brute force however the text is cut", () => {
    const unit = fc.constantFrom("a", "b", "c", "🚀");
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit, minLength: 1, maxLength: 4 }), { maxLength: 4 }),
        fc.array(fc.string({ unit, maxLength: 6 }), { maxLength: 10 }),
        (stops, chunks) => {
          const matcher = new StopStringMatcher(stops);
          let text = "";
          for (const chunk of chunks) text += matcher.push(chunk).text;
          const end = matcher.flush();
          expect({ text: text + end.text, stop: end.stop }).toEqual(firstStop(chunks.join(""), stops));
        },
      ),
      { numRuns: 1000 },
    );
  });

  test("stays linear on text that keeps almost matching", () => {
    const matcher = new StopStringMatcher([`${"a".repeat(2000)}b`]);
    const start = performance.now();
    let length = 0;
    for (let i = 0; i < 2000; i++) length += matcher.push("a".repeat(100)).text.length;
    expect(length + matcher.flush().text.length).toBe(200_000);
    expect(performance.now() - start).toBeLessThan(5000);
  });

  test("refuses an empty stop string and half a character", () => {
    expect(() => new StopStringMatcher([""])).toThrow(RangeError);
    expect(() => new StopStringMatcher(["\ud83d"])).toThrow(RangeError);
  });
});
