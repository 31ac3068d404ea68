import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

const chunk = {
  firstToken: 0,
  tokens: 3,
  moeLayers: 2,
  expertCount: 4,
  expertsUsed: 2,
  experts: new Uint8Array(Uint16Array.of(0, 1, 2, 3, 1, 0, 3, 2, 0, 2, 1, 3).buffer),
  weights: Uint8Array.of(204, 51, 128, 127, 255, 0, 128, 127, 153, 102, 128, 127),
  textLengths: [3, 4, 1],
  drafted: new Uint8Array(3),
};
vi.mock("../platform/client.ts", () => ({ client: { experts: { getTrace: async () => chunk } } }));
Element.prototype.scrollIntoView = () => {};
const { ColouredText } = await import("./ColouredText.tsx");
const { TokensView } = await import("./TokensView.tsx");
const { ExpertTrace } = await import("./expertTrace.ts");
const { useExpertsView } = await import("./expertsView.ts");

const text = "The fox.";
const trace = new ExpertTrace(chunk);
trace.append(chunk);

beforeEach(() => useExpertsView.setState({ chosen: null, highlight: null, layer: 0, tab: "now" }));

afterEach(cleanup);

async function showAnswer(): Promise<HTMLElement> {
  render(<ColouredText messageId="m" text={text} />);
  await vi.waitFor(() => expect(screen.getByTestId("coloured-text").querySelectorAll("[data-expert]")).toHaveLength(3));
  return screen.getByRole("group", { name: /Answer by token/ });
}

it("chooses tokens and layers with the arrow keys and says what was chosen", async () => {
  const answer = await showAnswer();
  fireEvent.keyDown(answer, { key: "ArrowRight" });
  fireEvent.keyDown(answer, { key: "ArrowRight" });
  expect(useExpertsView.getState()).toMatchObject({ chosen: { messageId: "m", token: 1 }, tab: "tokens" });
  expect(screen.getByRole("status").textContent).toContain('Token 2 of 3, " fox". Layer 0: E1 100.0 %, E0 0.0 %');
  fireEvent.keyDown(answer, { key: "ArrowDown" });
  expect(screen.getByRole("status").textContent).toContain("Layer 1: E3 50.2 %, E2 49.8 %");
  fireEvent.keyDown(answer, { key: "End" });
  expect(screen.getByRole("status").textContent).toContain("Token 3 of 3");
  fireEvent.keyDown(answer, { key: "Escape" });
  expect(useExpertsView.getState().chosen).toBeNull();
});

it("leaves Escape to the app when nothing is chosen", async () => {
  const answer = await showAnswer();
  const seen = vi.fn();
  answer.parentElement?.addEventListener("keydown", seen);
  fireEvent.keyDown(answer, { key: "Escape" });
  expect(seen).toHaveBeenCalledOnce();
});

it("shows every layer's experts of the chosen token, and highlights the tokens of one", async () => {
  useExpertsView.setState({ chosen: { messageId: "m", token: 2 } });
  await showAnswer();
  render(<TokensView trace={trace} messageId="m" text={text} />);
  expect(screen.getByRole("button", { name: /^L0 E0 60 ?%$/ }).isConnected).toBe(true);
  fireEvent.click(screen.getByRole("button", { name: /^L1 E3 50 ?%$/ }));
  expect(screen.getByText(/Expert 3 of layer 1 took 3 of 3 tokens/).isConnected).toBe(true);
  fireEvent.click(screen.getByRole("button", { name: /^L0 E2 40 ?%$/ }));
  expect(
    screen.getByText(/Expert 2 of layer 0 took 1 of 3 tokens of this answer \(33.3 %; chance 50.0 %\)/).isConnected,
  ).toBe(true);
  const marked = screen.getByTestId("coloured-text").querySelectorAll("[data-marked]");
  expect([...marked].map((span) => span.textContent)).toEqual(["."]);
});

it("goes between the experts of the table with the arrow keys", () => {
  useExpertsView.setState({ chosen: { messageId: "m", token: 0 } });
  render(<TokensView trace={trace} messageId="m" text={text} />);
  const first = screen.getByRole("button", { name: /L0 E0 / });
  first.focus();
  fireEvent.keyDown(first, { key: "ArrowDown" });
  expect(document.activeElement).toBe(screen.getByRole("button", { name: /L1 E2 / }));
  fireEvent.keyDown(document.activeElement ?? first, { key: "ArrowRight" });
  expect(document.activeElement).toBe(screen.getByRole("button", { name: /L1 E3 / }));
});
