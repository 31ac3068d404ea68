import { render, screen } from "@testing-library/react";
import { expect, it, vi } from "vitest";

vi.mock("../platform/client.ts", () => ({
  client: { models: { getPlacement: async () => null } },
  onConnection: () => () => {},
  inBrowser: true,
}));
vi.stubGlobal("matchMedia", () => ({ matches: false, addEventListener: () => {}, removeEventListener: () => {} }));
vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(null);
const { ExpertTrace } = await import("./expertTrace.ts");
const { NowView } = await import("./NowView.tsx");

it("divides the totals by the tokens that they cover, also between two refreshes of the panel", () => {
  const trace = new ExpertTrace({ moeLayers: 1, expertCount: 4, expertsUsed: 1 });
  trace.append({
    firstToken: 0,
    tokens: 6,
    moeLayers: 1,
    expertCount: 4,
    expertsUsed: 1,
    experts: new Uint8Array(Uint16Array.of(0, 1, 0, 1, 2, 3).buffer),
    weights: new Uint8Array(6),
    textLengths: [1, 1, 1, 1, 1, 1],
    drafted: new Uint8Array(6),
  });
  render(<NowView trace={trace} tokens={2} earlier={[]} modelId={undefined} />);
  expect(screen.getByRole("img").getAttribute("aria-label")).toContain("tokens: 6");
});
