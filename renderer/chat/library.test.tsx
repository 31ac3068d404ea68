// The sidebar's folders and archive, and files out and in, with the services standing by.
import { act, cleanup, fireEvent, render, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { conversationOf } from "./testMessages.ts";

const { library, chat, offerUndo, saveFile, pickTextFile, toastError } = vi.hoisted(() => ({
  library: {
    moveToFolder: vi.fn(),
    setArchived: vi.fn(),
    createFolder: vi.fn(),
    renameFolder: vi.fn(),
    deleteFolder: vi.fn(),
    exportConversations: vi.fn(),
    importConversations: vi.fn(),
    getDrafts: vi.fn(),
    saveDraft: vi.fn(),
  },
  chat: { deleteConversation: vi.fn(), getMessages: vi.fn() },
  offerUndo: vi.fn(),
  saveFile: vi.fn(),
  pickTextFile: vi.fn(),
  toastError: vi.fn(),
}));
vi.mock("../platform/client.ts", () => ({
  client: { library, chat },
  onConnection: (listener: (state: string) => void) => {
    listener("open");
    return () => {};
  },
  inBrowser: true,
}));
vi.mock("../platform/toasts.ts", () => ({ offerUndo, reportError: vi.fn() }));
vi.mock("../platform/files.ts", () => ({ saveFile, pickTextFile }));
vi.mock("sonner", () => ({ toast: { error: toastError } }));
const { ConversationList } = await import("./ConversationList.tsx");
const { draggedType } = await import("./ConversationRow.tsx");
const { importConversations } = await import("./actions/libraryActions.ts");
const { startDraftStore } = await import("./draftStore.ts");
const { dispatch, setDraft, useChat } = await import("./chatStore.ts");
const { useLibrary } = await import("./libraryStore.ts");

const water = { id: "f1", name: "Water", createdAt: 1 };
beforeEach(() => {
  for (const call of [...Object.values(library), ...Object.values(chat), offerUndo, saveFile, toastError])
    call.mockReset();
  chat.getMessages.mockResolvedValue([]);
  useLibrary.setState({ folders: [water], open: new Set(), naming: null });
  dispatch({
    type: "conversationsLoaded",
    conversations: [
      conversationOf({ id: "c1", title: "Loose" }),
      conversationOf({ id: "c2", title: "Filed", folderId: "f1" }),
      conversationOf({ id: "c3", title: "Old", archived: true }),
    ],
  });
  library.moveToFolder.mockImplementation(async ({ conversationId, folderId }) =>
    conversationOf({ id: conversationId, title: "Loose", folderId }),
  );
});
afterEach(cleanup);

const menuOf = async (title: string, ...items: string[]): Promise<void> => {
  await userEvent.click(screen.getByRole("button", { name: `Actions for ${title}` }));
  for (const name of items) await userEvent.click(await screen.findByRole("menuitem", { name }));
};

describe("folders and the archive", () => {
  it("are closed at first, with a count, and show their own when opened", async () => {
    render(<ConversationList />);
    expect(screen.getByRole("button", { name: "Loose" })).toBeDefined();
    expect(screen.queryByRole("button", { name: "Filed" })).toBeNull();
    expect(screen.queryByRole("button", { name: "Old" })).toBeNull();
    await userEvent.click(screen.getByRole("button", { name: "Water 1" }));
    expect(within(screen.getByRole("region", { name: "Water" })).getByRole("button", { name: "Filed" })).toBeDefined();
    await userEvent.click(screen.getByRole("button", { name: "Archive 1" }));
    expect(within(screen.getByRole("region", { name: "Archive" })).getByRole("button", { name: "Old" })).toBeDefined();
  });

  it("take a conversation by menu, with a way back", async () => {
    render(<ConversationList />);
    await menuOf("Loose", "Move to", "Water");
    expect(library.moveToFolder).toHaveBeenCalledExactlyOnceWith({ conversationId: "c1", folderId: "f1" });
    expect(screen.getByRole("button", { name: "Water 2" })).toBeDefined();
    await act(() => (offerUndo.mock.calls[0] as [string, () => Promise<void>])[1]());
    expect(library.moveToFolder).toHaveBeenLastCalledWith({ conversationId: "c1", folderId: null });
  });

  it("take a conversation that is dropped on them, and nothing else", () => {
    render(<ConversationList />);
    const target = screen.getByRole("button", { name: "Water 1" });
    fireEvent.drop(target, { dataTransfer: { types: ["text/plain"], getData: () => "" } });
    expect(library.moveToFolder).not.toHaveBeenCalled();
    const dataTransfer = { types: [draggedType], getData: (type: string) => (type === draggedType ? "c1" : "") };
    expect(fireEvent.dragOver(target, { dataTransfer })).toBe(false);
    fireEvent.drop(target, { dataTransfer });
    expect(library.moveToFolder).toHaveBeenCalledExactlyOnceWith({ conversationId: "c1", folderId: "f1" });
  });

  it("are made for a conversation and named in place", async () => {
    library.createFolder.mockResolvedValue({ id: "f2", name: "Air", createdAt: 2 });
    render(<ConversationList />);
    await menuOf("Loose", "Move to", "New folder…");
    await userEvent.type(await screen.findByRole("textbox", { name: "Folder name" }), "Air{Enter}");
    expect(library.createFolder).toHaveBeenCalledExactlyOnceWith({ name: "Air" });
    await vi.waitFor(() =>
      expect(library.moveToFolder).toHaveBeenCalledExactlyOnceWith({ conversationId: "c1", folderId: "f2" }),
    );
  });

  it("archive and give back", async () => {
    library.setArchived.mockResolvedValue(conversationOf({ id: "c1", title: "Loose", archived: true }));
    render(<ConversationList />);
    await menuOf("Loose", "Archive");
    expect(library.setArchived).toHaveBeenCalledExactlyOnceWith({ conversationId: "c1", archived: true });
    expect(screen.getByRole("button", { name: "Archive 2" })).toBeDefined();
  });
});

describe("files", () => {
  it("go out as what was chosen", async () => {
    const file = { fileName: "Loose.md", mediaType: "text/markdown", text: "# Loose" };
    library.exportConversations.mockResolvedValue(file);
    render(<ConversationList />);
    await menuOf("Loose", "Export", "Markdown");
    expect(library.exportConversations).toHaveBeenCalledWith({ conversationIds: ["c1"], format: "markdown" });
    await vi.waitFor(() => expect(saveFile).toHaveBeenCalledExactlyOnceWith(file));
  });

  it("come in and open, and Undo takes them out", async () => {
    pickTextFile.mockResolvedValue("{}");
    library.importConversations.mockResolvedValue([conversationOf({ id: "c9", title: "New" })]);
    await act(() => Promise.resolve(importConversations.perform()));
    expect(useChat.getState().openId).toBe("c9");
    await act(() => (offerUndo.mock.calls[0] as [string, () => Promise<void>])[1]());
    expect(chat.deleteConversation).toHaveBeenCalledExactlyOnceWith({ conversationId: "c9" });
  });

  it("that are too large are refused before they are sent, with by how much", async () => {
    pickTextFile.mockResolvedValue("x".repeat(5_000_007));
    await act(() => Promise.resolve(importConversations.perform()));
    expect(library.importConversations).not.toHaveBeenCalled();
    expect(toastError.mock.calls[0]?.[0]).toMatch(/5,000,007 characters.*7 too long/);
  });
});

describe("drafts", () => {
  it("come back at the start, but not over what was typed meanwhile, and are stored when typing pauses", async () => {
    library.getDrafts.mockResolvedValue({ c1: "Stored", c2: "Older" });
    library.saveDraft.mockResolvedValue(null);
    setDraft("c2", "Newer");
    startDraftStore();
    await vi.waitFor(() => expect(useChat.getState().drafts).toMatchObject({ c1: "Stored", c2: "Newer" }));
    vi.useFakeTimers();
    setDraft("c1", "Stored m");
    setDraft("c1", "Stored more");
    vi.advanceTimersByTime(500);
    vi.useRealTimers();
    expect(library.saveDraft.mock.calls.map(([input]) => input)).toEqual(
      expect.arrayContaining([
        { conversationId: "c1", text: "Stored more" },
        { conversationId: "c2", text: "Newer" },
      ]),
    );
    expect(library.saveDraft).toHaveBeenCalledTimes(2);
  });
});
