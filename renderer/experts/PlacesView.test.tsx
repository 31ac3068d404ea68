// Where experts are on a machine with a card, with what the simulated device said.
import { cleanup, render, screen, within } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { cardPlacement } from "../platform/testPlacement.ts";

const { getPlacement } = vi.hoisted(() => ({ getPlacement: vi.fn() }));
vi.mock("../platform/client.ts", () => ({ client: { models: { getPlacement } }, onConnection: () => () => {} }));
vi.stubGlobal("matchMedia", () => ({ matches: false, addEventListener: () => {}, removeEventListener: () => {} }));
vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(null);
const { ExpertTrace } = await import("./expertTrace.ts");
const { PlacesView } = await import("./PlacesView.tsx");
const { placesData } = await import("./viewData.ts");
const { keepUnchanged } = await import("../platform/placement.ts");

const trace = new ExpertTrace({ moeLayers: 2, expertCount: 8, expertsUsed: 2 });
const onDisk = { ...cardPlacement, tiers: cardPlacement.tiers.with(2, 2) };

beforeEach(() => getPlacement.mockReset());
afterEach(cleanup);

it("counts each place, over all and by layer, and says what the cache is worth", async () => {
  getPlacement.mockResolvedValue(onDisk);
  render(<PlacesView trace={trace} modelId="mixtral" />);
  const map = await screen.findByRole("img");
  expect(map.getAttribute("aria-label")).toBe(
    "Places of the experts, 2 layers by 8 experts: card: 10, RAM: 5, disk: 1",
  );
  expect(screen.getAllByRole("listitem").map((item) => item.textContent)).toEqual(["█card: 10", "▄RAM: 5", "▁disk: 1"]);
  expect(screen.getByText("64.5 % of choices were computed on the card · 553 kB moved there")).toBeTruthy();
  const rows = within(screen.getByRole("table")).getAllByRole("row");
  expect(rows.map((row) => row.textContent)).toEqual(["LayercardRAMdisk", "L0521", "L1530"]);
});

it("says nothing of a cache where none is, nor of another model's experts", async () => {
  getPlacement.mockResolvedValue({ ...cardPlacement, hits: 0, misses: 0 });
  const { rerender } = render(<PlacesView trace={trace} modelId="mixtral" />);
  await screen.findByRole("img");
  expect(screen.queryByText(/choices were computed/)).toBeNull();
  rerender(<PlacesView trace={trace} modelId="other" />);
  expect(screen.getByText(/^The model of this answer is not loaded/)).toBeTruthy();
});

it("asks only while somebody looks", async () => {
  vi.useFakeTimers();
  try {
    getPlacement.mockResolvedValue(cardPlacement);
    const { unmount } = render(<PlacesView trace={trace} modelId="mixtral" />);
    await vi.advanceTimersByTimeAsync(3500);
    expect(getPlacement).toHaveBeenCalledTimes(4);
    unmount();
    await vi.advanceTimersByTimeAsync(5000);
    expect(getPlacement).toHaveBeenCalledTimes(4);
  } finally {
    vi.useRealTimers();
  }
});

it("keeps what did not change, so that nothing is drawn for it", () => {
  const again = { ...cardPlacement, tiers: cardPlacement.tiers.slice(), hits: 99 };
  expect(keepUnchanged(cardPlacement, again)?.tiers).toBe(cardPlacement.tiers);
  expect(keepUnchanged(cardPlacement, again)?.hits).toBe(99);
  expect(keepUnchanged(cardPlacement, onDisk)).toBe(onDisk);
  expect(keepUnchanged(cardPlacement, null)).toBeNull();
});

it("is saved by layer and expert", () => {
  const { rows, grid } = placesData({ model: "m", trace, text: "" }, onDisk.tiers);
  expect(rows.slice(0, 3)).toEqual([
    [0, 0, "ram"],
    [0, 1, "vram"],
    [0, 2, "disk"],
  ]);
  expect(grid?.values).toHaveLength(16);
});
