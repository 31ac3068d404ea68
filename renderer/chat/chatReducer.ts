// What the chat shows, as a pure function of the past: (state, event) -> state. Messages that an event does not touch keep
// their identity, so React re-renders only the growing one.
import type { Conversation, Message } from "../../electron/contract/chat.ts";
import type { EventOf } from "../../electron/contract/ipc.ts";
import type { MessageMap } from "./thread.ts";

export interface LiveRun {
  readonly runId: string;
  readonly conversationId: string;
  readonly tokens: number;
  readonly tokensPerSecond: number;
  /** Present until the first token. */
  readonly prefill: { readonly done: number; readonly reused: number; readonly total: number } | null;
}

export interface ChatState {
  readonly conversations: readonly Conversation[];
  readonly openId: string | null;
  /** Every message of the open conversation, all branches. */
  readonly messages: MessageMap;
  /** Runs under way, by assistant message. */
  readonly runs: ReadonlyMap<string, LiveRun>;
  /** A piece went missing: the open conversation must be read again. */
  readonly stale: boolean;
}

export type ChatEvent =
  | { readonly type: "conversationsLoaded"; readonly conversations: readonly Conversation[] }
  | { readonly type: "conversationChanged"; readonly conversation: Conversation }
  | { readonly type: "conversationDeleted"; readonly conversationId: string }
  | ({ readonly type: "messagesChanged" } & EventOf<"chat", "messagesChanged">)
  | { readonly type: "opened"; readonly conversationId: string | null; readonly messages: readonly Message[] }
  | ({ readonly type: "runStarted" } & EventOf<"chat", "runStarted">)
  | ({ readonly type: "prefillProgress" } & EventOf<"chat", "prefillProgress">)
  | ({ readonly type: "tokensArrived" } & EventOf<"chat", "tokensArrived">)
  | ({ readonly type: "runEnded" } & EventOf<"chat", "runEnded">)
  | ({ readonly type: "runFailed" } & EventOf<"chat", "runFailed">);

export const emptyChat: ChatState = {
  conversations: [],
  openId: null,
  messages: new Map(),
  runs: new Map(),
  stale: false,
};

const newestFirst = (a: Conversation, b: Conversation): number => b.updatedAt - a.updatedAt;

function withConversation(state: ChatState, conversation: Conversation): ChatState {
  const others = state.conversations.filter((other) => other.id !== conversation.id);
  return { ...state, conversations: [conversation, ...others].toSorted(newestFirst) };
}

function withMessages(state: ChatState, changed: readonly Message[]): ChatState {
  const own = changed.filter((message) => message.conversationId === state.openId);
  if (own.length === 0) return state;
  const messages = new Map(state.messages);
  for (const message of own) messages.set(message.id, message);
  return { ...state, messages };
}

function withRun(state: ChatState, messageId: string, run: LiveRun | null): ChatState {
  const runs = new Map(state.runs);
  if (run === null) runs.delete(messageId);
  else runs.set(messageId, run);
  return { ...state, runs };
}

function appendText(message: Message, text: string): Message {
  const last = message.parts.at(-1);
  if (last?.type !== "text") return { ...message, parts: [...message.parts, { type: "text", text }] };
  return { ...message, parts: [...message.parts.slice(0, -1), { type: "text", text: last.text + text }] };
}

const textLength = (message: Message): number => message.parts.reduce((sum, part) => sum + part.text.length, 0);

function tokensArrived(state: ChatState, event: EventOf<"chat", "tokensArrived">): ChatState {
  const counted = withRun(state, event.messageId, {
    runId: event.runId,
    conversationId: event.conversationId,
    tokens: event.tokens,
    tokensPerSecond: event.tokensPerSecond,
    prefill: null,
  });
  const message = state.messages.get(event.messageId);
  if (message === undefined || event.text === "") return counted;
  const length = textLength(message);
  if (event.offset + event.text.length <= length) return counted; // already read from the database
  if (event.offset > length) return { ...counted, stale: true };
  return withMessages(counted, [appendText(message, event.text.slice(length - event.offset))]);
}

export function chatReducer(state: ChatState, event: ChatEvent): ChatState {
  switch (event.type) {
    case "conversationsLoaded":
      return { ...state, conversations: event.conversations.toSorted(newestFirst) };
    case "conversationChanged":
      return withConversation(state, event.conversation);
    case "conversationDeleted": {
      const conversations = state.conversations.filter((other) => other.id !== event.conversationId);
      const closed =
        state.openId === event.conversationId ? { openId: null, messages: new Map<string, Message>() } : {};
      return { ...state, conversations, ...closed };
    }
    case "messagesChanged": {
      if (event.conversationId !== state.openId) return state;
      const messages = new Map(state.messages);
      for (const id of event.removed) messages.delete(id);
      for (const message of event.changed) messages.set(message.id, message);
      return { ...state, messages };
    }
    case "opened":
      return {
        ...state,
        openId: event.conversationId,
        messages: new Map(event.messages.map((message) => [message.id, message])),
        stale: false,
      };
    case "runStarted": {
      const started = event.userMessage === null ? [] : [event.userMessage];
      const run: LiveRun = {
        runId: event.runId,
        conversationId: event.conversationId,
        tokens: 0,
        tokensPerSecond: 0,
        prefill: null,
      };
      const known = state.messages.get(event.assistantMessage.id);
      const answer = known ?? event.assistantMessage;
      return withRun(withMessages(state, [...started, answer]), answer.id, state.runs.get(answer.id) ?? run);
    }
    case "prefillProgress": {
      const run = state.runs.get(event.messageId);
      if (run === undefined) return state;
      const { done, reused, total } = event;
      return withRun(state, event.messageId, { ...run, prefill: { done, reused, total } });
    }
    case "tokensArrived":
      return tokensArrived(state, event);
    case "runEnded":
    case "runFailed":
      return withMessages(withRun(state, event.message.id, null), [event.message]);
  }
}
