// Pure: how attachments stand in a prompt and in exports for people: each under its name, in a code block whose fence is
// longer than any in its text, so that no file can end its own block and pass for the user's words.
import type { AttachedText } from "../db/attachments.ts";

export function attachedFile({ name, language, text }: Pick<AttachedText, "name" | "language" | "text">): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = "`".repeat(longest + 1);
  return `Attached file: ${name}\n${fence}${language}\n${text.replace(/\n+$/, "")}\n${fence}`;
}

/** What the user said, after what they attached. */
export function withAttachments(
  content: string,
  attachments: readonly Pick<AttachedText, "name" | "language" | "text">[],
): string {
  return [...attachments.map(attachedFile), content].filter((part) => part !== "").join("\n\n");
}
