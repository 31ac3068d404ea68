// Keeps running answers in step with the database: flushes growing text twice a second, stores the end of a run in one
// transaction, and when the disk refuses (full, read-only) keeps what is unsaved in memory and tries again until it works.
import type { Message } from "../contract/chat.ts";
import { AppError, toWire, type WireError } from "../contract/errors.ts";
import type { Database } from "../db/database.ts";
import { updateConversation } from "../db/conversations.ts";
import { finishMessage, growText } from "../db/messages.ts";
import { finishRun } from "../db/runs.ts";

export const flushEveryMs = 500;

export interface GrowingAnswer {
  text(): string;
  message(): Message;
}

export interface TraceStore {
  store(messageId: string): boolean;
  forget(messageId: string): void;
}

export interface AnswerStore {
  /** Flushes it from now on. */
  follow(answer: GrowingAnswer): void;
  /** Stores the final state, now or as soon as the disk allows. */
  finish(answer: GrowingAnswer): void;
  /** Growing and unsaved messages of a conversation, as they are in memory. */
  inMemory(conversationId: string): Message[];
  /** One last try. @returns how many answers could not be stored. */
  close(): number;
}

export interface AnswerStoreOptions {
  readonly database: Database;
  readonly traces: TraceStore;
  /** Told once when storing begins to fail (with the reason) and once when it works again (null). */
  readonly onTrouble: (reason: WireError | null) => void;
}

export function createAnswerStore({ database, traces, onTrouble }: AnswerStoreOptions): AnswerStore {
  /** By message id: length of the text that is stored. */
  const growing = new Map<string, { answer: GrowingAnswer; storedLength: number }>();
  const unsaved = new Map<string, GrowingAnswer>();
  let timer: NodeJS.Timeout | undefined;
  let inTrouble = false;

  /** @returns whether the work was done. Errors other than the disk's are the programmer's and pass. */
  function attempt(work: () => void): boolean {
    try {
      work();
    } catch (error) {
      if (!isDiskTrouble(error)) throw error;
      if (!inTrouble) onTrouble(toWire(error));
      inTrouble = true;
      return false;
    }
    if (inTrouble && unsaved.size === 0) {
      inTrouble = false;
      onTrouble(null);
    }
    return true;
  }

  function flush(): void {
    for (const [messageId, entry] of growing) {
      const text = entry.answer.text();
      if (text.length === entry.storedLength) continue;
      if (!attempt(() => growText(database, messageId, text))) return;
      entry.storedLength = text.length;
    }
  }

  function retry(): void {
    for (const [messageId, answer] of unsaved) {
      // Removed first: `attempt` says that all is well when nothing is left to save.
      unsaved.delete(messageId);
      if (!attempt(() => writeEnd(database, traces, answer.message()))) {
        unsaved.set(messageId, answer);
        return;
      }
      traces.forget(messageId);
    }
  }

  function tick(): void {
    retry();
    flush();
    keepTicking();
  }

  function keepTicking(): void {
    const needed = growing.size > 0 || unsaved.size > 0;
    if (needed && timer === undefined) timer = setInterval(tick, flushEveryMs);
    if (!needed && timer !== undefined) {
      clearInterval(timer);
      timer = undefined;
    }
  }

  return {
    follow(answer) {
      growing.set(answer.message().id, { answer, storedLength: 0 });
      keepTicking();
    },
    finish(answer) {
      const { id } = answer.message();
      growing.delete(id);
      unsaved.set(id, answer);
      retry();
      keepTicking();
    },
    inMemory: (conversationId) =>
      [...[...growing.values()].map((entry) => entry.answer), ...unsaved.values()]
        .map((answer) => answer.message())
        .filter((message) => message.conversationId === conversationId),
    close() {
      retry();
      clearInterval(timer);
      timer = undefined;
      return unsaved.size;
    },
  };
}

function writeEnd(database: Database, traces: TraceStore, message: Message): void {
  database.transaction(() => {
    const text = message.parts.map((part) => part.text).join("");
    finishMessage(database, message.id, message.state, text);
    if (message.run !== null) finishRun(database, message.run.id, message.run);
    traces.store(message.id);
    updateConversation(database, message.conversationId, { updatedAt: Date.now() });
  });
}

function isDiskTrouble(error: unknown): boolean {
  return error instanceof AppError && ["disk-full", "read-only", "io", "conflict"].includes(error.code);
}
