// Pure: the rows of one branch -> what the model is given. Reasoning is never sent back, answers without text are left
// out, and neighbours of one role become one turn, because many chat templates refuse roles that do not alternate.
import type { Message } from "../contract/chat.ts";
import type { ChatTurn } from "../engine/engineApi.ts";
import { branchTo } from "./branches.ts";

export function textOf(message: Pick<Message, "parts">): string {
  return message.parts
    .filter((part) => part.type === "text")
    .map((part) => part.text)
    .join("");
}

/** @param leafId the message that is to be answered. @param systemPrompt '' for none. */
export function transcript(messages: readonly Message[], leafId: string, systemPrompt: string): ChatTurn[] {
  const turns: ChatTurn[] = systemPrompt.trim() === "" ? [] : [{ role: "system", content: systemPrompt }];
  for (const message of branchTo(messages, leafId)) {
    const content = textOf(message);
    if (content === "") continue;
    const last = turns.at(-1);
    if (last?.role === message.role)
      turns[turns.length - 1] = { role: last.role, content: `${last.content}\n\n${content}` };
    else turns.push({ role: message.role, content });
  }
  return turns;
}
