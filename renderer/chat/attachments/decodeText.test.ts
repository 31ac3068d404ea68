import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cleanName, decodeText } from "./decodeText.ts";

const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("decodeText", () => {
  it("reads UTF-8 with and without its mark, whatever ends its lines", () => {
    expect(decodeText(utf8("größe\r\nzwei\rdrei"))).toEqual({ text: "größe\nzwei\ndrei" });
    expect(decodeText(utf8("\uFEFFeins"))).toEqual({ text: "eins" });
  });

  it("reads UTF-16 of both kinds by its mark", () => {
    const little = new Uint8Array(Buffer.from("\uFEFF日本 ok", "utf16le"));
    const big = new Uint8Array(Buffer.from(little).swap16());
    for (const file of [little, big]) expect(decodeText(file)).toEqual({ text: "日本 ok", encoding: "utf-16" });
  });

  it("takes what is not UTF-8 for Latin-1, and says so", () =>
    expect(decodeText(bytes(0x47, 0x72, 0xf6, 0xdf, 0x65))).toEqual({ text: "Größe", encoding: "latin-1" }));

  it("refuses what is not text", () => {
    expect(decodeText(bytes(0x50, 0x4b, 3, 4, 0, 0))).toBeNull();
    expect(decodeText(bytes(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10))).toBeNull();
    expect(decodeText(new Uint8Array(Buffer.from("no mark", "utf16le")))).toBeNull();
  });

  it("takes the colours of a terminal and stray control characters out of a log", () => {
    const log = `\u001b[31mError\u001b[0m: broken\u0008${" and more words".repeat(20)}`;
    expect(decodeText(utf8(log))?.text).toBe(`Error: broken${" and more words".repeat(20)}`);
  });

  it("gives back well-formed text without control characters for any bytes, or refuses them", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (file) => {
        const decoded = decodeText(file);
        if (decoded === null) return;
        expect(decoded.text.isWellFormed()).toBe(true);
        expect(decoded.text).not.toMatch(/(?![\t\n])\p{Cc}/u);
      }),
    );
  });
});

describe("cleanName", () => {
  it.each([
    ["report.pdf", "report.pdf"],
    ["../../etc/passwd", "passwd"],
    ["C:\\Users\\me\\a.txt", "a.txt"],
    ["invoice\u202Efdp.exe", "invoicefdp.exe"],
    ["two\nlines\u0000.md", "twolines.md"],
    ["\u200B \u0007", "file"],
  ])("%j becomes %j", (name, clean) => expect(cleanName(name, "file")).toBe(clean));

  it("keeps the ending of a name that is too long", () => {
    const clean = cleanName(`${"a".repeat(500)}.json`, "file");
    expect(clean).toHaveLength(120);
    expect(clean).toMatch(/….json$/);
  });
});
