// What a user sees of plans and loads, with the services standing by; a card's numbers are those of the simulated device.
import { cleanup, render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Model } from "../../electron/contract/models.ts";
import { cardPlacement, cardPlanned } from "../platform/testPlacement.ts";

const { models, reportError } = vi.hoisted(() => ({
  models: { getPlan: vi.fn(), setLoadOptions: vi.fn(), getPlacement: vi.fn(), load: vi.fn() },
  reportError: vi.fn(),
}));
vi.mock("../platform/client.ts", () => ({ client: { models }, onConnection: () => () => {}, inBrowser: true }));
vi.mock("../platform/toasts.ts", () => ({ reportError }));
const { FailedLoad } = await import("./FailedLoad.tsx");
const { FitBadge } = await import("./FitBadge.tsx");
const { LoadSheet, contextChoices } = await import("./LoadSheet.tsx");
const { useModels } = await import("./modelsStore.ts");

const model: Model = {
  id: "mixtral",
  name: "Mixtral",
  path: "/m.gguf",
  source: "file",
  architecture: "llama",
  quantisation: "Q4_K",
  fileBytes: 2_100_000,
  layers: 2,
  moeLayers: 2,
  experts: 8,
  expertsUsed: 2,
  params: 1,
  paramsActive: 1,
  contextTrained: 3000,
  sha256: null,
  addedAt: 1,
  lastUsedAt: null,
  broken: null,
};

beforeEach(() => {
  for (const call of [...Object.values(models), reportError]) call.mockReset();
  models.getPlan.mockResolvedValue(cardPlanned);
  models.setLoadOptions.mockResolvedValue(cardPlanned);
  models.getPlacement.mockResolvedValue(cardPlacement);
  models.load.mockResolvedValue({ state: "none" });
  useModels.setState({ library: [model], loaded: { state: "none" } });
});
afterEach(cleanup);

describe("the fit of a model in the list", () => {
  it("is a word with its number, and how many experts go on the card", () => {
    render(<FitBadge planned={cardPlanned} />);
    expect(screen.getByText("Fits: 422 MB of 5.00 GB free")).toBeTruthy();
    expect(screen.getByText("10 of 16 experts on the card")).toBeTruthy();
  });
  it("says what a model that does not fit needs", () => {
    const machine = { ...cardPlanned.plan.machine, ramFree: 100_000_000 };
    render(<FitBadge planned={{ ...cardPlanned, plan: { ...cardPlanned.plan, machine } }} />);
    expect(screen.getByText("Will not fit: needs 422 MB, 100 MB free")).toBeTruthy();
  });
});

describe("the load sheet", () => {
  const before = async () => within(await screen.findByRole("region", { name: "What loading will take" }));

  it("shows both memories in words, and the engine's reason", async () => {
    render(<LoadSheet model={model} onClose={() => {}} />);
    const bars = await before();
    expect(bars.getAllByRole("img").map((bar) => bar.getAttribute("aria-label"))).toEqual([
      expect.stringMatching(/^Graphics card \(VRAM\), 16\.0 MB: Common weights 390 kB, Experts 1\.11 MB, .* Free /),
      expect.stringMatching(/^Memory \(RAM\), 8\.00 GB: Experts 664 kB, Work space 421 MB, Other programs .*, Free /),
    ]);
    expect(screen.getByText(/^10 of 16 experts fit on the graphics card .*\.$/)).toBeTruthy();
    expect(screen.queryByRole("region", { name: "Now" })).toBeNull();
  });

  it("shows where a loaded model is", async () => {
    const loaded = { state: "ready", modelId: "mixtral", context: 128, backend: "cuda" } as const;
    useModels.setState({ loaded: { ...loaded, experts: 16, expertsOnGpu: 10 } });
    render(<LoadSheet model={model} onClose={() => {}} />);
    const now = within(await screen.findByRole("region", { name: "Now" }));
    expect(now.getAllByRole("img")).toHaveLength(2);
    expect(screen.getByText("cuda-on-host + cpu-avx512vnni · 10 of 16 experts on the card")).toBeTruthy();
    expect(screen.getByRole("button", { name: "Load again" })).toBeTruthy();
  });

  it("keeps a choice for the model as it is made, takes it back, and loads", async () => {
    const onClose = vi.fn();
    render(<LoadSheet model={model} onClose={onClose} />);
    await before();
    await userEvent.selectOptions(screen.getByRole("combobox", { name: "Compute on" }), "Processor");
    expect(models.setLoadOptions).toHaveBeenLastCalledWith({ modelId: "mixtral", options: { device: "cpu" } });
    await userEvent.selectOptions(screen.getByRole("combobox", { name: "Context" }), "2k");
    expect(models.setLoadOptions).toHaveBeenLastCalledWith({ modelId: "mixtral", options: { context: 2048 } });
    await userEvent.selectOptions(screen.getByRole("combobox", { name: "Experts on the card" }), "Stay where they are");
    expect(models.setLoadOptions).toHaveBeenLastCalledWith({ modelId: "mixtral", options: { expertCache: "fixed" } });
    models.setLoadOptions.mockResolvedValue({ ...cardPlanned, own: { device: "cpu" } });
    await userEvent.selectOptions(screen.getByRole("combobox", { name: "Keys and values" }), "8 bits");
    await userEvent.selectOptions(screen.getByRole("combobox", { name: "Compute on" }), "As in Settings (Automatic)");
    expect(models.setLoadOptions).toHaveBeenLastCalledWith({ modelId: "mixtral", options: { device: null } });
    await userEvent.click(screen.getByRole("button", { name: "Reset" }));
    expect(models.setLoadOptions).toHaveBeenLastCalledWith({ modelId: "mixtral", options: null });
    await userEvent.click(screen.getByRole("button", { name: "Load" }));
    expect(onClose).toHaveBeenCalled();
    expect(models.load).toHaveBeenCalledWith({ modelId: "mixtral" });
  });

  it("offers contexts up to what the model was trained for, and the one it has", () => {
    expect(contextChoices(3000, 0)).toEqual([1024, 2048, 3000]);
    expect(contextChoices(512, 700)).toEqual([512, 700]);
  });
});

describe("a load without enough memory", () => {
  const message =
    "The graphics card has 10.6 MB free; choose a context of at most 384 tokens, or compute on the processor.";
  const failed = { state: "failed", modelId: "mixtral", error: { code: "out-of-memory", message } } as const;

  it("says the engine's sentence and offers both ways out", async () => {
    useModels.setState({ loaded: { ...failed, ways: { context: 384, processor: true } } });
    render(<FailedLoad />);
    expect(screen.getByRole("alert").textContent).toContain(message);
    await userEvent.click(screen.getByRole("button", { name: "Use a context of 384" }));
    await waitFor(() => expect(models.load).toHaveBeenCalledWith({ modelId: "mixtral" }));
    expect(models.setLoadOptions).toHaveBeenLastCalledWith({ modelId: "mixtral", options: { context: 384 } });
    await userEvent.click(screen.getByRole("button", { name: "Compute on the processor" }));
    expect(models.setLoadOptions).toHaveBeenLastCalledWith({ modelId: "mixtral", options: { device: "cpu" } });
  });

  it("offers no way that is none, and says nothing of other failures", () => {
    useModels.setState({ loaded: { ...failed, ways: { context: null, processor: false } } });
    const { rerender } = render(<FailedLoad />);
    expect(screen.queryAllByRole("button")).toEqual([]);
    useModels.setState({ loaded: { ...failed, ways: null } });
    rerender(<FailedLoad />);
    expect(screen.queryByRole("alert")).toBeNull();
  });
});
