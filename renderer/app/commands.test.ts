import { describe, expect, it, vi } from "vitest";

vi.mock("../platform/client.ts", () => ({ client: {}, onConnection: () => () => {}, inBrowser: true }));
vi.stubGlobal("matchMedia", () => ({ matches: false, addEventListener: () => {}, removeEventListener: () => {} }));
const { actions, keysOf, onShortcut, shortcutText } = await import("./commands.ts");
const { usePicker } = await import("../models/pickerStore.ts");

const press = (key: string, init: KeyboardEventInit = {}): KeyboardEvent => {
  const event = new KeyboardEvent("keydown", { key, cancelable: true, ...init });
  onShortcut(event);
  return event;
};

describe("commands", () => {
  it("binds no combination twice", () => {
    const keys = Object.values(actions).flatMap((action) => ("keys" in action ? [...(action.keys ?? [])] : []));
    expect(new Set(keys).size).toBe(keys.length);
  });
  it("reads a key press in one order of modifiers", () => {
    expect(keysOf({ key: "O", ctrlKey: true, metaKey: false, shiftKey: true, altKey: false })).toBe("mod+shift+o");
  });
  it("knows a letter by its key where Option makes another character of it", () => {
    const option = { ctrlKey: false, metaKey: false, shiftKey: false, altKey: true };
    expect(keysOf({ key: "†", code: "KeyT", ...option })).toBe("alt+t");
    expect(keysOf({ key: "a", code: "KeyQ", ...option })).toBe("alt+a");
  });
  it("performs the bound action and keeps the browser from its own", () => {
    expect(press("l", { ctrlKey: true }).defaultPrevented).toBe(true);
    expect(usePicker.getState().open).toBe(true);
  });
  it("leaves keys alone that belong to nothing, or to an action that is off", () => {
    expect(press("q").defaultPrevented).toBe(false);
    expect(press("Escape").defaultPrevented).toBe(false);
  });
  it("names shortcuts as the platform does", () => {
    expect(shortcutText(actions.newChat, false)).toBe("Ctrl+Shift+O");
    expect(shortcutText(actions.newChat, true)).toBe("⌘⇧O");
  });
});
