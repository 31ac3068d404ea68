import { act, cleanup, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

vi.mock("../platform/client.ts", () => ({
  client: { settings: { update: vi.fn(async (change: object) => change) } },
  onConnection: () => () => {},
  inBrowser: true,
}));
vi.stubGlobal("matchMedia", () => ({ matches: false, addEventListener: () => {}, removeEventListener: () => {} }));
vi.stubGlobal(
  "ResizeObserver",
  class {
    observe(): void {}
    unobserve(): void {}
    disconnect(): void {}
  },
);
Element.prototype.scrollIntoView = () => {};
const { ShortcutsDialog } = await import("./ShortcutsDialog.tsx");
const { CommandPalette } = await import("./CommandPalette.tsx");
const { actions, keysFor, onShortcut, shortcutText } = await import("./commands.ts");
const { useShell } = await import("./shellStore.ts");
const { usePicker } = await import("../models/pickerStore.ts");
const { useSettings } = await import("../platform/settingsStore.ts");

const press = (key: string, init: KeyboardEventInit): void =>
  act(() => onShortcut(new KeyboardEvent("keydown", { key, cancelable: true, ...init })));

beforeEach(() => {
  useSettings.setState({ shortcuts: {} });
  usePicker.setState({ open: false });
  useShell.setState({ paletteOpen: false, shortcutsOpen: false });
});
afterEach(cleanup);

describe("the shortcut sheet", () => {
  it("opens with its own keys and gives a command others, which then work and show", async () => {
    render(<ShortcutsDialog />);
    press("/", { ctrlKey: true });
    await userEvent.click(screen.getByRole("button", { name: "Keys for Choose a model: Ctrl+L" }));
    await userEvent.keyboard("{Control>}{Shift>}m{/Shift}{/Control}");
    expect(screen.getByRole("button", { name: "Keys for Choose a model: Ctrl+Shift+M" })).toBeDefined();
    expect(shortcutText(actions.openModels)).toBe("Ctrl+Shift+M");
    press("l", { ctrlKey: true });
    expect(usePicker.getState().open).toBe(false);
    press("M", { ctrlKey: true, shiftKey: true });
    expect(usePicker.getState().open).toBe(true);
    await userEvent.click(screen.getByRole("button", { name: "Usual keys for Choose a model" }));
    expect(keysFor(actions.openModels)).toEqual(["mod+l"]);
  });

  it("refuses keys that belong to another command, or that people type with", async () => {
    useShell.setState({ shortcutsOpen: true });
    render(<ShortcutsDialog />);
    await userEvent.click(screen.getByRole("button", { name: "Keys for Choose a model: Ctrl+L" }));
    await userEvent.keyboard("{Control>}k{/Control}");
    expect(screen.getByText("Ctrl+K belongs to “Search all messages”.")).toBeDefined();
    await userEvent.keyboard("x");
    expect(screen.getByText(/^X is needed for typing/)).toBeDefined();
    expect(useSettings.getState().shortcuts).toEqual({});
  });
});

describe("the command palette", () => {
  it("finds a command by its words and does it", async () => {
    render(<CommandPalette />);
    press("p", { ctrlKey: true });
    await userEvent.type(screen.getByRole("combobox"), "choose mod");
    expect(screen.getAllByRole("option").map((option) => option.textContent)).toEqual(["Choose a modelCtrl+L"]);
    await userEvent.keyboard("{Enter}");
    await vi.waitFor(() => expect(usePicker.getState().open).toBe(true));
    expect(useShell.getState().paletteOpen).toBe(false);
  });

  it("leaves out what cannot be done now", () => {
    useShell.setState({ paletteOpen: true });
    render(<CommandPalette />);
    expect(screen.queryByRole("option", { name: /Stop/ })).toBeNull();
    expect(screen.getByRole("option", { name: /New chat/ })).toBeDefined();
  });
});
