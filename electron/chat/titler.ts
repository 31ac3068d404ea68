// Lets the model name a conversation after its first answer, in idle time: only when nothing else is being written, given up
// at once when something is, and never over a name that the user chose. Models too small to follow an instruction are
// not asked; the first words of the conversation stay its title then.
import type { Conversation, Sampler } from "../contract/chat.ts";
import { defaultSampler } from "../contract/chat.ts";
import { nameByModel } from "../db/conversations.ts";
import type { Database } from "../db/database.ts";
import type { ChatTurn, EngineApi, RunHandle } from "../engine/engineApi.ts";
import { titleFrom } from "./titles.ts";

const idleMs = 3000;
/** Models with fewer parameters answer a request for a title with a story. */
const smallestParams = 300_000_000;
/** Of the question and the answer, what is enough to tell the subject. UTF-16 units. */
const excerptLength = 2000;

const request = "Write a title of at most six words for this conversation. Answer with the title only.";
const sampler: Sampler = { ...defaultSampler, temperature: 0.2, maxTokens: 24, stop: ["\n"] };

export interface TitlerDependencies {
  readonly database: Database;
  readonly engine: Pick<EngineApi, "run">;
  /** An answer is being written somewhere. */
  readonly isBusy: () => boolean;
  readonly isEnabled: () => boolean;
  /** Tells the windows. */
  readonly announce: (conversationId: string) => Conversation;
  readonly log: (event: string, facts: Readonly<Record<string, string | number | null>>) => void;
}

export interface AnsweredConversation {
  readonly conversationId: string;
  readonly question: string;
  readonly answer: string;
  /** Of the model that answered. */
  readonly params: number;
}

export interface Titler {
  /** The first answer of a conversation is there. */
  answered(conversation: AnsweredConversation): void;
  /** Something more important begins: a title under way is given up. */
  interrupt(): void;
}

export function createTitler(dependencies: TitlerDependencies): Titler {
  const { database, engine, isBusy, isEnabled, announce, log } = dependencies;
  let timer: NodeJS.Timeout | undefined;
  let handle: RunHandle | undefined;

  function interrupt(): void {
    clearTimeout(timer);
    handle?.cancel();
    handle = undefined;
  }

  async function write({ conversationId, question, answer }: AnsweredConversation): Promise<void> {
    if (isBusy()) return;
    let text = "";
    const messages: readonly ChatTurn[] = [
      { role: "user", content: question.slice(0, excerptLength) },
      { role: "assistant", content: answer.slice(0, excerptLength) },
      { role: "user", content: request },
    ];
    const mine = engine.run(
      { messages, sampler, seed: 0 },
      { onPrefill: () => undefined, onTokens: (piece) => void (text += piece.text) },
    );
    handle = mine;
    try {
      const { reason } = await mine.result;
      const title = cleanTitle(text);
      if (reason === "cancelled" || title === "") return;
      if (nameByModel(database, conversationId, title)) announce(conversationId);
    } catch (error) {
      // A title is not worth a word to the user.
      log("title not written", { conversationId, error: error instanceof Error ? error.message : String(error) });
    } finally {
      if (handle === mine) handle = undefined;
    }
  }

  return {
    answered(conversation) {
      interrupt();
      if (!isEnabled() || conversation.params < smallestParams || conversation.answer === "") return;
      timer = setTimeout(() => void write(conversation), idleMs);
    },
    interrupt,
  };
}

/** What models put around a title is not part of it; '' when nothing is left. */
export function cleanTitle(text: string): string {
  const line = text
    .replaceAll(/<think>[\s\S]*?(?:<\/think>|$)/g, "")
    .trim()
    .replace(/^(?:#+\s*)?(?:\*\*)?title(?:\*\*)?\s*:\s*/i, "")
    .replace(/^["'“”«»*_\s]+|["'“”«»*_.\s]+$/gu, "");
  return line === "" ? "" : titleFrom(line);
}
