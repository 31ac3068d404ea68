import { act, cleanup, render, screen } from "@testing-library/react";
import { Profiler } from "react";
import { afterEach, describe, expect, it, vi } from "vitest";

vi.mock("../platform/client.ts", () => ({ client: {}, onConnection: () => () => {}, inBrowser: true }));
vi.stubGlobal("matchMedia", () => ({ matches: false, addEventListener: () => {}, removeEventListener: () => {} }));
vi.stubGlobal(
  "ResizeObserver",
  class {
    observe(): void {}
    disconnect(): void {}
  },
);
const rendered = vi.fn();
const AnswerText = ({ text }: { readonly text: string }) => {
  rendered(text);
  return <p>{text}</p>;
};
const { Thread } = await import("./Thread.tsx");
const { dispatch } = await import("./chatStore.ts");
const { conversationOf, messageOf } = await import("./testMessages.ts");

const finished = messageOf({ id: "a1", parentId: "q1", text: "First answer" });
const growing = messageOf({ id: "a2", parentId: "q2", state: "generating" });

function openThread(): void {
  dispatch({ type: "conversationsLoaded", conversations: [conversationOf({ activeLeafId: "a2" })] });
  dispatch({
    type: "opened",
    conversationId: "c1",
    messages: [
      messageOf({ id: "q1", role: "user", text: "One?" }),
      finished,
      messageOf({ id: "q2", parentId: "a1", role: "user", text: "Two?" }),
      growing,
    ],
  });
}

const piece = (offset: number, text: string): void =>
  dispatch({
    type: "tokensArrived",
    runId: "r",
    conversationId: "c1",
    messageId: "a2",
    offset,
    text,
    tokens: 1,
    tokensPerSecond: 10,
  });

afterEach(cleanup);

describe("Thread", () => {
  it("renders only the growing message when a piece arrives, once per piece", () => {
    openThread();
    const commits = vi.fn();
    render(
      <Profiler id="thread" onRender={commits}>
        <Thread AnswerText={AnswerText} modelName={null} />
      </Profiler>,
    );
    rendered.mockClear();
    commits.mockClear();
    act(() => piece(0, "Once"));
    act(() => piece(4, " upon"));
    expect(rendered.mock.calls.flat()).toEqual(["Once", "Once upon"]);
    expect(screen.getByText("First answer")).toBeDefined();
    expect(commits.mock.calls.length).toBeLessThanOrEqual(4); // each piece: the message, and the announcer's sentence
  });

  it("draws only the end of a long thread in full, and the rest when it comes near, a few a frame", async () => {
    const near: (() => void)[] = [];
    const observers = vi.fn();
    vi.stubGlobal(
      "IntersectionObserver",
      class {
        readonly #callback: (
          entries: readonly { readonly isIntersecting: boolean; readonly target: Element }[],
        ) => void;
        constructor(
          callback: (entries: readonly { readonly isIntersecting: boolean; readonly target: Element }[]) => void,
        ) {
          observers();
          this.#callback = callback;
        }
        observe(target: Element): void {
          near.push(() => this.#callback([{ isIntersecting: true, target }]));
        }
        unobserve(): void {}
      },
    );
    const messages = Array.from({ length: 2000 }, (_, index) =>
      messageOf({
        id: `m${index}`,
        parentId: index === 0 ? null : `m${index - 1}`,
        role: index % 2 === 0 ? "user" : "assistant",
        text: `Words ${index}`,
      }),
    );
    dispatch({ type: "conversationsLoaded", conversations: [conversationOf({ id: "long", activeLeafId: "m1999" })] });
    rendered.mockClear();
    dispatch({
      type: "opened",
      conversationId: "long",
      messages: messages.map((message) => ({ ...message, conversationId: "long" })),
    });
    const { container } = render(<Thread AnswerText={AnswerText} modelName={null} />);
    expect(container.querySelectorAll("article")).toHaveLength(2000);
    expect(rendered.mock.calls.flat()).toEqual([1989, 1991, 1993, 1995, 1997, 1999].map((at) => `Words ${at}`));
    expect(container.textContent).toContain("Words 1");
    rendered.mockClear();
    const frame = (): Promise<void> =>
      act(() => new Promise<void>((resolve) => requestAnimationFrame(() => resolve())));
    near[1]?.();
    await frame();
    expect(rendered.mock.calls.flat()).toEqual(["Words 1"]);
    for (const at of [3, 5, 7, 9]) near[at]?.();
    await frame();
    expect(rendered.mock.calls.flat()).toEqual([1, 3, 5].map((at) => `Words ${at}`));
    await frame();
    expect(rendered.mock.calls.flat()).toEqual([1, 3, 5, 7, 9].map((at) => `Words ${at}`));
    expect(observers).toHaveBeenCalledOnce();
  });
});
