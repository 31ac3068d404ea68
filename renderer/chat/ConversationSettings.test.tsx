import { act, cleanup, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Conversation } from "../../electron/contract/chat.ts";
import { defaultSettings } from "../../electron/contract/settings.ts";
import { conversationOf } from "./testMessages.ts";

const { updateConversation, createConversation, getMessages, offerUndo } = vi.hoisted(() => ({
  updateConversation: vi.fn(),
  createConversation: vi.fn(),
  getMessages: vi.fn(async () => []),
  offerUndo: vi.fn(),
}));
vi.mock("../platform/client.ts", () => ({
  client: {
    chat: { updateConversation, createConversation, getMessages },
    settings: { update: vi.fn(async (change: object) => change) },
  },
  onConnection: () => () => {},
  inBrowser: true,
}));
vi.mock("../platform/toasts.ts", () => ({ offerUndo, reportError: vi.fn() }));
const { ConversationSettings } = await import("./ConversationSettings.tsx");
const { useSettings } = await import("../platform/settingsStore.ts");
const { dispatch } = await import("./chatStore.ts");

let stored: Conversation;
beforeEach(() => {
  stored = conversationOf({ sampler: { topK: 7 } });
  useSettings.setState(defaultSettings);
  offerUndo.mockReset();
  updateConversation.mockReset();
  updateConversation.mockImplementation(
    async ({ conversationId: _, ...change }: Partial<Conversation> & { conversationId: string }) => {
      stored = { ...stored, ...change };
      return stored;
    },
  );
  dispatch({ type: "conversationsLoaded", conversations: [stored] });
  dispatch({ type: "opened", conversationId: "c1", messages: [] });
  render(<ConversationSettings />);
});
afterEach(cleanup);

const number = (name: string) => screen.getByRole<HTMLInputElement>("spinbutton", { name });

describe("the settings of a conversation", () => {
  it("show what is its own, and what is general as a hint", () => {
    expect(number("Top-k").value).toBe("7");
    expect(number("Temperature").value).toBe("");
    expect(number("Temperature").placeholder).toBe("0.8");
    expect(number("Seed").placeholder).toBe("random");
  });

  it("change one number and keep the others, and give one back to Settings", async () => {
    await userEvent.type(number("Temperature"), "0.3{Enter}");
    expect(stored.sampler).toEqual({ topK: 7, temperature: 0.3 });
    await userEvent.click(screen.getByRole("button", { name: "Top-k as in Settings" }));
    expect(stored.sampler).toEqual({ temperature: 0.3 });
    await userEvent.clear(number("Temperature"));
    await userEvent.tab();
    expect(stored.sampler).toEqual({});
  });

  it("refuse a number that is none of the allowed", async () => {
    await userEvent.type(number("Temperature"), "9{Enter}");
    expect(updateConversation).not.toHaveBeenCalled();
    expect(number("Temperature").value).toBe("");
  });

  it("take over a preset, with a way back", async () => {
    await userEvent.click(screen.getByRole("button", { name: "Presets" }));
    await userEvent.click(await screen.findByRole("menuitem", { name: "Precise" }));
    expect(stored.sampler).toEqual({ temperature: 0.2, topP: 0.9, minP: 0.1 });
    await act(() => (offerUndo.mock.calls[0] as [string, () => Promise<void>])[1]());
    expect(stored.sampler).toEqual({ topK: 7 });
  });

  it("become a preset of their own", async () => {
    await userEvent.type(screen.getByRole("textbox", { name: "System prompt" }), "Be brief.");
    await userEvent.tab();
    await userEvent.click(screen.getByRole("button", { name: "Presets" }));
    await userEvent.click(await screen.findByRole("menuitem", { name: "Save these as a preset…" }));
    await userEvent.type(await screen.findByRole("textbox", { name: "Name of the preset" }), "Mine{Enter}");
    expect(useSettings.getState().presets.at(-1)).toMatchObject({
      name: "Mine",
      systemPrompt: "Be brief.",
      sampler: { topK: 7 },
    });
  });

  it("make the conversation when there is none yet", async () => {
    act(() => dispatch({ type: "opened", conversationId: null, messages: [] }));
    createConversation.mockResolvedValue(conversationOf({ id: "c9" }));
    await userEvent.type(number("Top-k"), "3{Enter}");
    await vi.waitFor(() =>
      expect(updateConversation).toHaveBeenCalledWith({ conversationId: "c9", sampler: { topK: 3 } }),
    );
  });
});
