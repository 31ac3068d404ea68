// The chat's state in the page. Events from the services pass through the reducer; pieces of text are gathered and
// committed once per animation frame.
import { create } from "zustand";
import type { EventName } from "../../electron/contract/ipc.ts";
import { client, onConnection } from "../platform/client.ts";
import { chatReducer, emptyChat, type ChatEvent, type ChatState } from "./chatReducer.ts";

interface ChatStore extends ChatState {
  /** Unsent text per conversation; '' is the key of a conversation not made yet. */
  readonly drafts: Readonly<Record<string, string>>;
  /** The user message being edited, in the composer. */
  readonly editingId: string | null;
  /** The answer being edited, in its place. */
  readonly editingAnswerId: string | null;
  /** The message whose run is shown in the Details dialog. */
  readonly detailsId: string | null;
}

export const useChat = create<ChatStore>()(() => ({
  ...emptyChat,
  drafts: {},
  editingId: null,
  editingAnswerId: null,
  detailsId: null,
}));

const queue: ChatEvent[] = [];
let frame = 0;

function commit(): void {
  cancelAnimationFrame(frame);
  frame = 0;
  const events = queue.splice(0);
  if (events.length === 0) return;
  useChat.setState((state) => events.reduce<ChatState>(chatReducer, state));
  if (useChat.getState().stale) void openConversation(useChat.getState().openId);
}

/** Applies an event now, after everything that waits for the frame. */
export function dispatch(event: ChatEvent): void {
  queue.push(event);
  commit();
}

function dispatchWithFrame(event: ChatEvent): void {
  queue.push(event);
  // A hidden page gets no frames; its text must arrive all the same.
  if (document.hidden) commit();
  else if (frame === 0) frame = requestAnimationFrame(commit);
}

/** Shows a conversation (null: a new, empty one). */
export async function openConversation(conversationId: string | null): Promise<void> {
  const messages = conversationId === null ? [] : await client.chat.getMessages({ conversationId });
  dispatch({ type: "opened", conversationId, messages });
  useChat.setState({ editingId: null, editingAnswerId: null, detailsId: null });
}

export async function reloadConversations(): Promise<void> {
  dispatch({ type: "conversationsLoaded", conversations: await client.chat.listConversations({}) });
}

export function setDraft(conversationId: string | null, text: string): void {
  useChat.setState((state) => ({ drafts: { ...state.drafts, [conversationId ?? ""]: text } }));
}

const framed: readonly EventName<"chat">[] = ["prefillProgress", "tokensArrived"];

export function startChatStore(): void {
  const relay = <E extends EventName<"chat">>(name: E): void => {
    const apply = framed.includes(name) ? dispatchWithFrame : dispatch;
    client.chat.on(name, (payload) => {
      // The pair (name, payload) comes from one contract entry, which TypeScript cannot follow through a generic name.
      apply({ type: name, ...payload } as unknown as ChatEvent);
    });
  };
  for (const name of [
    "runStarted",
    "prefillProgress",
    "tokensArrived",
    "runEnded",
    "runFailed",
    "messagesChanged",
  ] as const)
    relay(name);
  client.chat.on("conversationChanged", (conversation) => dispatch({ type: "conversationChanged", conversation }));
  client.chat.on("conversationDeleted", ({ conversationId }) =>
    dispatch({ type: "conversationDeleted", conversationId }),
  );
  onConnection((state) => {
    if (state !== "open") return;
    void reloadConversations();
    const { openId } = useChat.getState();
    if (openId !== null) void openConversation(openId);
  });
}
