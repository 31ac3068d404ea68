import { describe, expect, it } from "vitest";
import type { Measured } from "../../electron/contract/placement.ts";
import { cardPlacement, cardPlan } from "../platform/testPlacement.ts";
import { corrected, fitOf, placementBars, planBars } from "./memoryBars.ts";

const measured: Measured = { placement: "hybrid", ram: 9e6, ramWork: 8e6, vram: 3_300_000, at: 1 };
const sumOf = (parts: readonly { bytes: number }[]): number => parts.reduce((sum, { bytes }) => sum + bytes, 0);
const processor = {
  ...cardPlan,
  placement: "cpu" as const,
  gpu: { weights: 0, experts: 0, kv: 0, work: 0 },
  cpu: { weights: 1e9, experts: 2e9, kv: 0.5e9, work: 0.4e9 },
  machine: { ...cardPlan.machine, vram: 0, vramFree: 0, card: "" },
};

describe("the bars of a plan", () => {
  it("add up to each memory, the card first, and leave out what takes nothing", () => {
    const [vram, ram] = planBars(cardPlan, null);
    expect([vram?.memory, ram?.memory]).toEqual(["vram", "ram"]);
    expect(sumOf(vram?.parts ?? [])).toBe(cardPlan.machine.vram);
    expect(sumOf(ram?.parts ?? [])).toBe(cardPlan.machine.ram);
    expect(vram?.parts.map(({ kind }) => kind)).toEqual(["weights", "experts", "kv", "work", "other", "free"]);
    expect(ram?.parts.map(({ kind }) => kind)).toEqual(["experts", "work", "other", "free"]);
    expect(vram?.parts.find(({ kind }) => kind === "other")?.bytes).toBe(16_000_000 - 10_475_136);
  });

  it("are one where the card takes its part from the RAM, and none of a memory of unknown size", () => {
    const unified = { ...cardPlan, machine: { ...cardPlan.machine, unified: true } };
    expect(planBars(unified, null).map(({ memory, needs }) => [memory, needs])).toEqual([
      ["ram", 390_144 + 1_105_920 + 131_072 + 8_774_272 + 663_552 + 420_877_952],
    ]);
    expect(planBars({ ...processor, machine: { ...processor.machine, ram: 0 } }, null)).toEqual([]);
  });

  it("say what is missing, and reach past the memory's end by it", () => {
    const [bar] = planBars({ ...processor, machine: { ...processor.machine, ramFree: 3e9 } }, null);
    expect(bar).toMatchObject({ missing: 0.9e9, needs: 3.9e9, available: 3e9 });
    expect(sumOf(bar?.parts ?? [])).toBe(8e9 + 0.9e9);
  });
});

describe("what was measured", () => {
  it("takes the place of the guess at the work space, where the model was placed alike", () => {
    const { gpu, cpu } = corrected(cardPlan, measured);
    expect(gpu).toEqual({ ...cardPlan.gpu, work: 3_300_000 - 390_144 - 1_105_920 - 131_072 });
    expect(cpu).toEqual({ ...cardPlan.cpu, work: 8e6 });
    expect(corrected(cardPlan, { ...measured, placement: "gpu" })).toEqual({ gpu: cardPlan.gpu, cpu: cardPlan.cpu });
    expect(corrected(cardPlan, null)).toEqual({ gpu: cardPlan.gpu, cpu: cardPlan.cpu });
  });

  it("can make a plan fit that was too careful", () => {
    const plan = { ...processor, placement: "too-large" as const, machine: { ...processor.machine, ramFree: 3.7e9 } };
    expect(fitOf(plan, null)?.verdict).toBe("too-large");
    const once: Measured = { placement: "cpu", ram: 3.55e9, ramWork: 0.05e9, vram: 0, at: 1 };
    expect(fitOf(plan, once)?.verdict).toBe("tight");
  });
});

describe("whether a model fits", () => {
  it("is decided by the RAM where the card takes as many experts as it can", () => {
    expect(fitOf(cardPlan, null)).toMatchObject({ verdict: "fits", bar: { memory: "ram" } });
    const { machine } = cardPlan;
    expect(fitOf({ ...cardPlan, machine: { ...machine, ramFree: 500_000_000 } }, null)?.verdict).toBe("tight");
    expect(fitOf({ ...cardPlan, machine: { ...machine, ramFree: 400_000_000 } }, null)).toMatchObject({
      verdict: "too-large",
      bar: { memory: "ram" },
    });
  });

  it("is refused by a card that has no room even without experts, its reserve counted", () => {
    const plan = { ...cardPlan, placement: "too-large" as const };
    expect(fitOf(plan, null)).toMatchObject({ verdict: "too-large", bar: { memory: "vram" } });
  });
});

it("a loaded model's bars add up to each memory too, with what other programs use", () => {
  const [vram, ram] = placementBars(cardPlacement);
  expect(sumOf(vram?.parts ?? [])).toBe(16_000_000);
  expect(sumOf(ram?.parts ?? [])).toBe(8_000_000_000);
  expect(vram?.parts.find(({ kind }) => kind === "free")?.bytes).toBe(7_270_784);
  const unified = placementBars({ ...cardPlacement, machine: { ...cardPlacement.machine, unified: true } });
  expect(unified.map(({ memory, needs }) => [memory, needs])).toEqual([
    ["ram", (vram?.needs ?? 0) + (ram?.needs ?? 0)],
  ]);
  expect(sumOf(unified[0]?.parts ?? [])).toBe(8_000_000_000);
});
