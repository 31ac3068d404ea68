import { act, cleanup, render, screen } from "@testing-library/react";
import { Toaster } from "sonner";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { anyNotice, focusNewestNotice, offerUndo } from "./toasts.ts";

vi.stubGlobal("matchMedia", () => ({ matches: false, addEventListener: () => {}, removeEventListener: () => {} }));

const pass = (ms: number): void => act(() => void vi.advanceTimersByTime(ms));

beforeEach(() => {
  vi.useFakeTimers();
  render(
    <>
      <button type="button">elsewhere</button>
      <Toaster hotkey={[]} />
    </>,
  );
});
afterEach(() => {
  cleanup();
  vi.useRealTimers();
});

it("takes an undo away after a while, but not while the focus is on it", () => {
  const undo = vi.fn(async () => {});
  act(() => offerUndo("Deleted", undo));
  pass(11_000);
  expect(anyNotice()).toBe(true);
  focusNewestNotice();
  const button = screen.getByRole("button", { name: "Undo" });
  expect(document.activeElement).toBe(button);
  pass(60_000);
  act(() => button.click());
  expect(undo).toHaveBeenCalledOnce();

  act(() => offerUndo("Deleted again", undo));
  pass(1_000);
  act(() => screen.getByRole("button", { name: "elsewhere" }).focus());
  pass(13_000);
  expect(anyNotice()).toBe(false);
});
