// Conversations out to files and back.
import { describe, expect, it } from "vitest";
import type { Conversation, Message } from "../contract/chat.ts";
import { exportFile, fileNameOf } from "./exports.ts";
import { parseImport } from "./imports.ts";

const conversation: Conversation = {
  id: "c",
  title: "Rivers: a talk",
  createdAt: 1,
  updatedAt: 2,
  activeLeafId: "a2",
  systemPrompt: "Be brief.",
  sampler: { topK: 3 },
  pinned: true,
  folderId: "f",
  archived: false,
  contextStartId: null,
};
const message = (id: string, parentId: string | null, role: Message["role"], text: string): Message => ({
  id,
  parentId,
  role,
  conversationId: "c",
  state: "complete",
  createdAt: 5,
  parts: [{ type: "text", text }],
  attachments: [],
  run: null,
  hasTrace: false,
});
const messages = [
  message("u", null, "user", "Which river?"),
  message("a1", "u", "assistant", "The Rhine"),
  message("a2", "u", "assistant", "The Danube\n\n```\ncode\n```"),
];
const file = (format: Parameters<typeof exportFile>[1]) =>
  exportFile([{ conversation, messages, attached: new Map(), summaries: [], traces: new Map() }], format);

describe("exports", () => {
  it("read well as Markdown: the shown thread under its title", () =>
    expect(file("markdown")).toEqual({
      fileName: "Rivers a talk.md",
      mediaType: "text/markdown",
      text: "# Rivers: a talk\n\n> Be brief.\n\n## You\n\nWhich river?\n\n## Assistant\n\nThe Danube\n\n```\ncode\n```\n",
    }));
  it("are one line a conversation for other programs", () => {
    expect(JSON.parse(file("openai-jsonl").text)).toEqual({
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "Which river?" },
        { role: "assistant", content: "The Danube\n\n```\ncode\n```" },
      ],
    });
    expect(JSON.parse(file("sharegpt").text).conversations.map(({ from }: { from: string }) => from)).toEqual([
      "system",
      "human",
      "gpt",
    ]);
    const two = exportFile(
      [
        { conversation, messages, attached: new Map(), summaries: [], traces: new Map() },
        { conversation, messages, attached: new Map(), summaries: [], traces: new Map() },
      ],
      "sharegpt",
    );
    expect(two.fileName).toBe("conversations.jsonl");
    expect(two.text.trimEnd().split("\n")).toHaveLength(2);
  });
  it.each([
    ["a/b\\c:d*e?", "a b c d e"],
    ["..", "conversation"],
    ["CON", "conversation"],
    ["x".repeat(300), "x".repeat(80)],
    ["..\u202e/etc/passwd ", "etc passwd"],
  ])("make a file name of %j that every system takes", (title, name) => expect(fileNameOf(title)).toBe(name));
});

describe("imports", () => {
  it("give back our own format whole, every branch included", () => {
    const [back, ...more] = parseImport(file("conclave").text, 99);
    expect(more).toEqual([]);
    expect(back).toMatchObject({ title: "Rivers: a talk", sampler: { topK: 3 }, pinned: true, activeLeafId: "a2" });
    expect(back?.messages.map(({ id, parentId }) => [id, parentId])).toEqual([
      ["u", null],
      ["a1", "u"],
      ["a2", "u"],
    ]);
  });
  it.each(["openai-jsonl", "sharegpt"] as const)("read %s as a thread with its system prompt", (format) => {
    const [back] = parseImport(file(format).text, 99);
    expect(back).toMatchObject({ systemPrompt: "Be brief.", activeLeafId: "2", createdAt: 99 });
    expect(back?.messages.map(({ role, parts }) => [role, parts[0]?.text])).toEqual([
      ["user", "Which river?"],
      ["assistant", "The Danube\n\n```\ncode\n```"],
    ]);
  });
  it("read a list of records as well as lines", () =>
    expect(parseImport('\uFEFF[{"messages":[{"role":"user","content":"Hi"}]}]', 1)).toHaveLength(1));
  it.each([
    ["", /empty/],
    ["# A title", /Line 1 of the file is not JSON/],
    ['{"messages":[{"role":"user","content":"Hi"}]}\n{"x"', /Line 2 of the file is not JSON/],
    ['[{"messages":[{"role":"user","content":"Hi"}]},{"messages":[]}]', /Record 2/],
    ['{"format":"conclave","version":2,"conversations":[]}', /version 2 .* reads version 1/],
    ['{"format":"conclave","version":1,"conversations":[{"title":5}]}', /conversations\.0\.title/],
  ])("refuse %j and say why", (text, why) => expect(() => parseImport(text, 1)).toThrow(why));
  it("refuse a tree with a gap, a cycle or one message twice", () => {
    const whole = JSON.parse(file("conclave").text) as {
      conversations: { messages: { id: string; parentId: string }[] }[];
    };
    for (const change of [{ parentId: "gone" }, { parentId: "a1" }, { id: "u" }]) {
      const broken = structuredClone(whole);
      Object.assign(broken.conversations[0]?.messages[1] ?? {}, change);
      expect(() => parseImport(JSON.stringify(broken), 1)).toThrow(
        /Conversation 1 of the file is not a tree at message 2/,
      );
    }
  });
});

it("holds which experts wrote an answer, and reads it back", () => {
  const trace = Uint8Array.of(1, 2, 250);
  const id = messages.find(({ role }) => role === "assistant")?.id ?? "";
  const exported = [{ conversation, messages, attached: new Map(), summaries: [], traces: new Map([[id, trace]]) }];
  const [imported] = parseImport(exportFile(exported, "conclave").text, 9);
  const back = imported?.messages.find((candidate) => candidate.id === id)?.trace;
  expect([...Buffer.from(back ?? "", "base64")]).toEqual([...trace]);
  expect(() =>
    parseImport(exportFile(exported, "conclave").text.replace('"run"', '"trace": "no base64!", "run"'), 9),
  ).toThrow();
});

describe("attachments in files", () => {
  const attached = {
    name: "rivers.csv",
    kind: "csv" as const,
    language: "csv",
    bytes: 12,
    facts: { rows: 2, columns: 1 },
    text: "river\nRhine",
  };
  const exported = [
    { conversation, messages, attached: new Map([["u", [attached]]]), summaries: [], traces: new Map() },
  ];

  it("come back as they were", () => {
    const [imported] = parseImport(exportFile(exported, "conclave").text, 9);
    expect(imported?.messages.map(({ attachments }) => attachments)).toEqual([[attached], [], []]);
  });

  it("stand before the words for people and other programs", () => {
    const content = "Attached file: rivers.csv\n```csv\nriver\nRhine\n```\n\nWhich river?";
    expect(exportFile(exported, "markdown").text).toContain(`## You\n\n${content}\n`);
    expect(JSON.parse(exportFile(exported, "sharegpt").text).conversations[1]).toEqual({
      from: "human",
      value: content,
    });
  });
});
