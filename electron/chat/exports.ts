// Pure: conversations as files. 'conclave' is whole and comes back as it was; Markdown is for people; OpenAI's and
// ShareGPT's JSON lines are for other programs and hold the shown thread of each conversation on one line.
import type { Conversation, Message } from "../contract/chat.ts";
import type { ExportFormat } from "../contract/library.ts";
import type { Summary } from "../contract/summaries.ts";
import type { AttachedText } from "../db/attachments.ts";
import { withAttachments } from "./attachedFiles.ts";
import { branchTo } from "./branches.ts";
import { type AttachedTexts, textOf } from "./transcript.ts";

export interface ExportedConversation {
  readonly conversation: Conversation;
  /** The whole tree, oldest first. */
  readonly messages: readonly Message[];
  readonly attached: AttachedTexts;
  /** What stands in for turns that no longer fit. */
  readonly summaries: readonly Summary[];
  /** Which experts wrote an answer, as stored, by message. */
  readonly traces: ReadonlyMap<string, Uint8Array>;
}

export interface ExportedFile {
  readonly fileName: string;
  readonly mediaType: string;
  readonly text: string;
}

const kinds: Readonly<Record<ExportFormat, { readonly extension: string; readonly mediaType: string }>> = {
  conclave: { extension: "json", mediaType: "application/json" },
  markdown: { extension: "md", mediaType: "text/markdown" },
  "openai-jsonl": { extension: "jsonl", mediaType: "application/jsonl" },
  sharegpt: { extension: "jsonl", mediaType: "application/jsonl" },
};

const writers: Readonly<Record<ExportFormat, (exported: readonly ExportedConversation[]) => string>> = {
  conclave: (exported) =>
    `${JSON.stringify({ format: "conclave", version: 1, conversations: exported.map(whole) }, null, 2)}\n`,
  markdown: (exported) => exported.map(asMarkdown).join("\n---\n\n"),
  "openai-jsonl": (exported) => lines(exported.map((one) => ({ messages: asOpenAi(one) }))),
  sharegpt: (exported) => lines(exported.map((one) => ({ conversations: asShareGpt(one) }))),
};

export function exportFile(exported: readonly ExportedConversation[], format: ExportFormat): ExportedFile {
  const { extension, mediaType } = kinds[format];
  const [only] = exported;
  const name = exported.length === 1 && only !== undefined ? fileNameOf(only.conversation.title) : "conversations";
  return { fileName: `${name}.${extension}`, mediaType, text: writers[format](exported) };
}

/** A name that every file system takes. */
export function fileNameOf(title: string): string {
  const plain = title
    .replaceAll(/[\p{Cc}\p{Cf}<>:"/\\|?*]+/gu, " ")
    .replaceAll(/\s+/gu, " ")
    .trim()
    .replace(/^[. ]+/, "")
    .slice(0, 80)
    .replace(/[. ]+$/, "");
  const reserved = /^(?:con|prn|aux|nul|com\d|lpt\d)$/i.test(plain);
  return plain === "" || reserved ? "conversation" : plain;
}

const lines = (records: readonly unknown[]): string => records.map((record) => `${JSON.stringify(record)}\n`).join("");

interface ShownTurn {
  readonly message: Message;
  /** With its attachments, as the model got it. */
  readonly content: string;
}

const shownThread = ({ conversation, messages, attached }: ExportedConversation): ShownTurn[] =>
  branchTo(messages, conversation.activeLeafId)
    .map((message) => ({ message, content: withAttachments(textOf(message), attached.get(message.id) ?? []) }))
    .filter(({ content }) => content !== "");

const wholeAttachment = ({ name, kind, language, bytes, facts, text }: AttachedText): unknown => ({
  name,
  kind,
  language,
  bytes,
  facts,
  text,
});

function whole({ conversation, messages, attached, summaries, traces }: ExportedConversation): unknown {
  const { id: _, folderId: __, ...own } = conversation;
  const tree = messages.map(({ id, parentId, role, state, createdAt: writtenAt, parts, run }) => ({
    id,
    parentId,
    role,
    state,
    createdAt: writtenAt,
    parts,
    ...(attached.has(id) ? { attachments: attached.get(id)?.map(wholeAttachment) } : {}),
    run,
    ...(traces.has(id) ? { trace: Buffer.from(traces.get(id) ?? []).toString("base64") } : {}),
  }));
  return { ...own, summaries: summaries.map(({ conversationId: ___, ...summary }) => summary), messages: tree };
}

function asMarkdown(exported: ExportedConversation): string {
  const { title, systemPrompt } = exported.conversation;
  const turns = shownThread(exported).map(({ message, content }) => {
    const speaker = message.role === "user" ? "You" : (message.run?.modelName ?? "Assistant");
    return `## ${speaker}\n\n${content}\n`;
  });
  const quoted = systemPrompt === "" ? [] : [`${systemPrompt.replaceAll(/^/gm, "> ")}\n`];
  return [`# ${title}\n`, ...quoted, ...turns].join("\n");
}

function asOpenAi(exported: ExportedConversation): { role: string; content: string }[] {
  const { systemPrompt } = exported.conversation;
  const system = systemPrompt === "" ? [] : [{ role: "system", content: systemPrompt }];
  return [...system, ...shownThread(exported).map(({ message, content }) => ({ role: message.role, content }))];
}

const shareGptNames: Readonly<Record<string, string>> = { system: "system", user: "human", assistant: "gpt" };

const asShareGpt = (exported: ExportedConversation): { from: string; value: string }[] =>
  asOpenAi(exported).map(({ role, content }) => ({ from: shareGptNames[role] ?? role, value: content }));
