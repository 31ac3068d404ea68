// What a screen reader hears while an answer grows.
import { act, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Announcer } from "./Announcer.tsx";
import { messageOf } from "./testMessages.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

it("hears the start, whole paragraphs at most every three seconds, and the end; never single tokens", () => {
  const answer = (text: string, state: "generating" | "complete" = "generating") => (
    <Announcer branch={[messageOf({ id: "a", state, text })]} />
  );
  const heard: string[] = [];
  const { rerender } = render(answer(""));
  const show = (text: string, ms: number, state?: "complete"): void => {
    act(() => vi.advanceTimersByTime(ms));
    rerender(answer(text, state));
    const spoken = screen.getByRole("status").textContent;
    if (spoken !== heard.at(-1)) heard.push(spoken);
  };
  show("", 0);
  show("One", 100);
  show("One two.", 100);
  show("One two.\n\nThree", 100);
  show("One two.\n\nThree four.", 2_900);
  show("One two.\n\nThree four.\n\nFive", 100);
  show("One two.\n\nThree four.\n\nFive six.", 100, "complete");
  expect(heard.map((text) => text.trim())).toEqual([
    "Answering",
    "One two.",
    "Three four.\n\nFive six. Answer finished.",
  ]);
  expect(screen.getByRole("status").getAttribute("aria-live")).toBe("polite");
});
