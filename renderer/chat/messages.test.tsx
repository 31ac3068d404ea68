// Messages as the user works on them: each button asks the services for the right thing and offers the way back.
import { act, cleanup, render, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ContextUse } from "../../electron/contract/chat.ts";

const { chat, models } = vi.hoisted(() => {
  return {
    chat: {
      regenerate: vi.fn(),
      continueAnswer: vi.fn(),
      editMessage: vi.fn(),
      deleteMessage: vi.fn(),
      restoreMessage: vi.fn(),
      forkConversation: vi.fn(),
      deleteConversation: vi.fn(),
      setActiveLeaf: vi.fn(),
      setContextStart: vi.fn(),
      getMessages: vi.fn(),
      getContextUse: vi.fn(),
      on: vi.fn(() => () => {}),
    },
    models: { list: vi.fn(), getLoaded: vi.fn(), load: vi.fn(), on: vi.fn() },
  };
});
vi.mock("../platform/client.ts", () => ({
  client: { chat, models, settings: { update: vi.fn(async (change: object) => change) } },
  onConnection: () => () => {},
  inBrowser: true,
}));
const offerUndo = vi.hoisted(() => vi.fn());
vi.mock("../platform/toasts.ts", () => ({
  offerUndo,
  reportError: (error: unknown) => {
    throw error;
  },
}));
vi.stubGlobal(
  "ResizeObserver",
  class {
    observe(): void {}
    unobserve(): void {}
    disconnect(): void {}
  },
);
const { Thread } = await import("./Thread.tsx");
const { DetailsDialog } = await import("./DetailsDialog.tsx");
const { ContextGauge } = await import("./ContextGauge.tsx");
const { useContext } = await import("./contextStore.ts");
const { dispatch, useChat } = await import("./chatStore.ts");
const { conversationOf, messageOf, runOf } = await import("./testMessages.ts");

const question = messageOf({ id: "q1", role: "user", text: "One?" });
const answer = messageOf({ id: "a1", parentId: "q1", text: "First answer", run: runOf(), createdAt: 2 });
const second = messageOf({ id: "q2", parentId: "a1", role: "user", text: "Two?", createdAt: 3 });
const cut = messageOf({
  id: "a2",
  parentId: "q2",
  text: "Second",
  run: runOf({ id: "r2", stopReason: "max-tokens", reuse: { kind: "edited", turn: 1 } }),
  createdAt: 4,
});
const AnswerText = ({ text }: { readonly text: string }) => <p>{text}</p>;
const use: ContextUse = {
  used: 900,
  context: 1024,
  reserved: 256,
  contextTrained: 4096,
  droppedMessages: 0,
  droppedTokens: 0,
  firstMessageId: "q1",
  summaryId: null,
  attachments: {},
  overflow: 0,
};

beforeEach(() => {
  for (const call of [...Object.values(chat), ...Object.values(models)]) if (call !== chat.on) call.mockReset();
  offerUndo.mockReset();
  dispatch({ type: "conversationsLoaded", conversations: [conversationOf({ activeLeafId: "a2" })] });
  dispatch({ type: "opened", conversationId: "c1", messages: [question, answer, second, cut] });
  useContext.setState({ use });
  render(
    <>
      <Thread AnswerText={AnswerText} modelName={null} />
      <ContextGauge />
      <DetailsDialog />
    </>,
  );
});
afterEach(() => {
  cleanup();
  useChat.setState({ editingAnswerId: null, detailsId: null });
});

const articles = (name: string) => screen.getAllByRole("article", { name });
const inArticle = (name: string, index: number) => within(articles(name)[index] as HTMLElement);
const undo = (): Promise<void> => act(() => (offerUndo.mock.calls.at(-1) as [string, () => Promise<void>])[1]());

describe("a message", () => {
  it("is deleted without a question and comes back with Undo", async () => {
    await userEvent.click(inArticle("Answer", 0).getByRole("button", { name: "Delete message" }));
    expect(chat.deleteMessage).toHaveBeenCalledExactlyOnceWith({ messageId: "a1" });
    await undo();
    expect(chat.restoreMessage).toHaveBeenCalledExactlyOnceWith({ messageId: "a1" });
  });

  it("leaves the thread when the services say so, and its child moves up", () => {
    const payload = { conversationId: "c1", changed: [{ ...second, parentId: "q1" }], removed: ["a1"] };
    act(() => dispatch({ type: "messagesChanged", ...payload }));
    expect(screen.queryByText("First answer")).toBeNull();
    expect(articles("You")).toHaveLength(2);
  });

  it("forks into a conversation of its own, and Undo goes back", async () => {
    chat.forkConversation.mockResolvedValue(conversationOf({ id: "c2", title: "A fox (fork)" }));
    chat.getMessages.mockResolvedValue([]);
    await userEvent.click(inArticle("You", 0).getByRole("button", { name: "Fork here" }));
    expect(chat.forkConversation).toHaveBeenCalledWith({ messageId: "q1" });
    expect(useChat.getState().openId).toBe("c2");
    await undo();
    expect(chat.deleteConversation).toHaveBeenCalledWith({ conversationId: "c2" });
    expect(useChat.getState().openId).toBe("c1");
  });
});

describe("an answer", () => {
  it("is rewritten in its place, as a version beside it", async () => {
    chat.editMessage.mockResolvedValue({ ...answer, id: "a1b" });
    await userEvent.click(inArticle("Answer", 0).getByRole("button", { name: "Edit answer" }));
    const box = screen.getByRole("textbox", { name: "Answer text" });
    expect(box).toHaveProperty("value", "First answer");
    await userEvent.type(box, "!");
    await userEvent.keyboard("{Control>}{Enter}{/Control}");
    expect(chat.editMessage).toHaveBeenCalledExactlyOnceWith({ messageId: "a1", text: "First answer!" });
    expect(screen.queryByRole("textbox", { name: "Answer text" })).toBeNull();
    chat.setActiveLeaf.mockResolvedValue(conversationOf({ activeLeafId: "a2" }));
    await undo();
    expect(chat.deleteMessage).toHaveBeenCalledWith({ messageId: "a1b" });
  });

  it("is left alone by Escape and by saving what it was", async () => {
    for (const keys of ["!{Escape}", "{Control>}{Enter}{/Control}"]) {
      await userEvent.click(inArticle("Answer", 0).getByRole("button", { name: "Edit answer" }));
      await userEvent.type(screen.getByRole("textbox", { name: "Answer text" }), keys);
      expect(screen.queryByRole("textbox", { name: "Answer text" })).toBeNull();
    }
    expect(chat.editMessage).not.toHaveBeenCalled();
  });

  it("that was cut can go on, one that ended cannot", async () => {
    expect(inArticle("Answer", 0).queryByRole("button", { name: "Continue answer" })).toBeNull();
    const longer = messageOf({ id: "a3", parentId: "q2", text: "Second", state: "generating" });
    chat.continueAnswer.mockResolvedValue({ runId: "r3", userMessage: null, assistantMessage: longer });
    await userEvent.click(inArticle("Answer", 1).getByRole("button", { name: "Continue answer" }));
    expect(chat.continueAnswer).toHaveBeenCalledExactlyOnceWith({ messageId: "a2" });
    expect(useChat.getState().runs.get("a3")?.runId).toBe("r3");
  });

  it("is written again by another model", async () => {
    const model = { id: "m2", name: "Other", quantisation: "Q4_K_M", broken: null };
    models.list.mockResolvedValue([{ ...model, id: "m", name: "Tiny" }, model, { ...model, id: "m3", broken: {} }]);
    chat.regenerate.mockReturnValue(new Promise(() => {}));
    await userEvent.click(inArticle("Answer", 0).getByRole("button", { name: "Regenerate in another way" }));
    await userEvent.click(await screen.findByRole("menuitem", { name: "With another model" }));
    expect(screen.queryByRole("menuitem", { name: /Tiny/ })).toBeNull();
    await userEvent.click(await screen.findByRole("menuitem", { name: /Other/ }));
    expect(chat.regenerate).toHaveBeenCalledExactlyOnceWith({ messageId: "a1", modelId: "m2" });
  });

  it("shows its record, and runs again exactly", async () => {
    await userEvent.click(inArticle("Answer", 1).getByRole("button", { name: /prompt tokens reused/ }));
    const dialog = within(screen.getByRole("dialog", { name: "How this answer was made" }));
    for (const fact of ["ab".repeat(32), "0.1.0", "7", "token limit"]) expect(dialog.getByText(fact)).toBeDefined();
    expect(dialog.getByText(/turn 1 is not what it was last time/)).toBeDefined();
    chat.regenerate.mockReturnValue(new Promise(() => {}));
    await userEvent.click(dialog.getByRole("button", { name: "Run again exactly" }));
    expect(chat.regenerate).toHaveBeenCalledExactlyOnceWith({ messageId: "a2", exactly: true });
  });
});

describe("the context", () => {
  const show = (change: Partial<ContextUse>): void => act(() => useContext.setState({ use: { ...use, ...change } }));

  it("is a gauge with numbers and a warning in words", () => {
    expect(
      screen.getByRole("button", { name: /^Context: 900 of 1,024 tokens used, filling up/ }).textContent,
    ).toContain("900 / 1k");
    show({ used: 1000 });
    expect(screen.getByRole("button", { name: /nearly full/ })).toBeDefined();
    show({ used: 100 });
    expect(screen.getByRole("button", { name: "Context: 100 of 1,024 tokens used" })).toBeDefined();
  });

  it("that leaves turns out says so above the first one that is sent, and offers what to do", async () => {
    expect(screen.queryByRole("note")).toBeNull();
    show({ droppedMessages: 2, droppedTokens: 12480, firstMessageId: "q2" });
    const line = screen.getByRole("note", { name: "Where the model's view begins" });
    expect(line.textContent).toContain("(−12,480 tokens)");
    expect(line.compareDocumentPosition(articles("You")[1] as HTMLElement)).toBe(Node.DOCUMENT_POSITION_FOLLOWING);
    expect(line.compareDocumentPosition(articles("Answer")[0] as HTMLElement)).toBe(Node.DOCUMENT_POSITION_PRECEDING);
    expect(within(line).getByRole("button", { name: "Raise context to 2,048" })).toBeDefined();
    chat.setContextStart.mockResolvedValue(conversationOf({ activeLeafId: "a2", contextStartId: "q2" }));
    await userEvent.click(within(line).getByRole("button", { name: "Start from here" }));
    expect(chat.setContextStart).toHaveBeenLastCalledWith({ conversationId: "c1", messageId: "q2" });
    expect(screen.getByRole("button", { name: "Send them again" })).toBeDefined();
    await undo();
    expect(chat.setContextStart).toHaveBeenLastCalledWith({ conversationId: "c1", messageId: null });
  });
});
