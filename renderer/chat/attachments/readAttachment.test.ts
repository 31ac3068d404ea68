import { describe, expect, it } from "vitest";
import { readCsv } from "./csvFacts.ts";
import { mostTextBytes, pastedAttachment, readAttachment } from "./readAttachment.ts";

const read = (name: string, content: BlobPart) => readAttachment(new File([content], name));
/** A file that says to be larger than it is: a test needs no 100 MB. */
function huge(name: string, size: number): File {
  const file = new File(["text"], name);
  Object.defineProperty(file, "size", { value: size });
  return file;
}

describe("reading a file", () => {
  it("knows code, Markdown, tables and plain text by their names", async () => {
    expect(await read("a.py", "print()")).toMatchObject({
      kind: "code",
      language: "python",
      bytes: 7,
      text: "print()",
    });
    expect(await read("Makefile", "all:")).toMatchObject({ kind: "code", language: "make" });
    expect(await read("notes.md", "# A")).toMatchObject({ kind: "markdown", language: "md" });
    expect(await read("x.log", "line")).toMatchObject({ kind: "text", language: "" });
    expect(await read("t.csv", "a,b\n1,2\n3,4\n")).toMatchObject({ kind: "csv", facts: { rows: 2, columns: 2 } });
  });

  it("says in one sentence why it cannot", async () => {
    await expect(read("a.txt", "")).rejects.toThrow("“a.txt” holds no text; nothing was attached.");
    await expect(read("a.txt", " \n ")).rejects.toThrow("holds no text");
    await expect(read("a.png", new Uint8Array([0x89, 0, 1]))).rejects.toThrow("“a.png” is not text; Conclave reads");
    await expect(readAttachment(huge("log.txt", 108_000_000))).rejects.toThrow(
      "“log.txt” is 108 MB, 100 MB over the 8.00 MB that a text may have; attach a part of it.",
    );
    await expect(read("long.txt", "x".repeat(2_000_500))).rejects.toThrow(
      "“long.txt” is 500 characters over the 2,000,000 that one message takes",
    );
    expect(mostTextBytes).toBe(8_000_000);
  });

  it("takes a table whose quotes never close for text", async () =>
    expect(await read("t.csv", 'a,b\n"1,2\n3,4')).toMatchObject({ kind: "text", facts: {} }));
});

describe("a table", () => {
  it("is counted without its head and empty lines, and keeps its first rows", () =>
    expect(readCsv("a;b\n1;2\n\n3;4;5\n", 2)).toEqual({
      rows: [
        ["a", "b"],
        ["1", "2"],
      ],
      rowCount: 2,
      columnCount: 3,
    }));
});

describe("a long paste", () => {
  it("becomes a text without control characters under a name of its own", () =>
    expect(pastedAttachment("a\r\nb", 2)).toMatchObject({
      name: "Pasted text 2",
      kind: "text",
      facts: { pasted: true },
      text: "a\nb",
    }));
});
