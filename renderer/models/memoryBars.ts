// What a plan or a loaded model does to each memory, as parts of bars; whether it fits. Pure. A plan's guess at the work space
// gives way to what was measured when the model was last loaded so.
import type { MachineMemory, Measured, MemoryUse, ModelPlan, Placement } from "../../electron/contract/placement.ts";

export const memoryKinds = ["weights", "experts", "kv", "work", "other", "free"] as const;
export type MemoryKind = (typeof memoryKinds)[number];

export interface MemoryPart {
  readonly kind: MemoryKind;
  readonly bytes: number;
}

export interface MemoryBar {
  readonly memory: "vram" | "ram";
  readonly total: number;
  /** In the order of `memoryKinds`, without those of no bytes. */
  readonly parts: readonly MemoryPart[];
  /** Of the model. */
  readonly needs: number;
  /** What it may take. */
  readonly available: number;
  /** More than the memory has left; 0: it fits. */
  readonly missing: number;
}

export interface Fit {
  readonly verdict: "fits" | "tight" | "too-large";
  /** The memory that decides. */
  readonly bar: MemoryBar;
}

/** A memory with less of it left over is said to be tight. */
const tightShare = 0.1;

const totalOf = ({ weights, experts, kv, work }: MemoryUse): number => weights + experts + kv + work;

const sumOf = (one: MemoryUse, other: MemoryUse): MemoryUse => ({
  weights: one.weights + other.weights,
  experts: one.experts + other.experts,
  kv: one.kv + other.kv,
  work: one.work + other.work,
});

function barOf(memory: MemoryBar["memory"], total: number, available: number, use: MemoryUse): MemoryBar {
  const needs = totalOf(use);
  const bytes = { ...use, other: Math.max(0, total - available), free: Math.max(0, available - needs) };
  return {
    memory,
    total,
    parts: memoryKinds.map((kind) => ({ kind, bytes: bytes[kind] })).filter((part) => part.bytes > 0),
    needs,
    available,
    missing: Math.max(0, needs - available),
  };
}

/** The plan's bytes, corrected by what was measured of a load that was placed alike. */
export function corrected(
  { placement, gpu, cpu }: ModelPlan,
  measured: Measured | null,
): Pick<ModelPlan, "gpu" | "cpu"> {
  const alike =
    measured !== null && (measured.placement === placement || (placement === "too-large" && totalOf(gpu) === 0));
  if (!alike) return { gpu, cpu };
  const onCard = gpu.weights + gpu.experts + gpu.kv;
  return {
    gpu: totalOf(gpu) === 0 ? gpu : { ...gpu, work: Math.max(0, measured.vram - onCard) },
    cpu: { ...cpu, work: measured.ramWork },
  };
}

/** The card's memory first, where there is one. A memory of unknown size has no bar. */
export function planBars(plan: ModelPlan, measured: Measured | null): MemoryBar[] {
  const { machine } = plan;
  const { gpu, cpu } = corrected(plan, measured);
  return barsOf(machine, gpu, cpu, machine);
}

/** @param available to the model, of each memory. */
function barsOf(
  machine: MachineMemory,
  gpu: MemoryUse,
  cpu: MemoryUse,
  available: Pick<MachineMemory, "ramFree" | "vramFree">,
): MemoryBar[] {
  const own = machine.vram > 0 && !machine.unified;
  return [
    ...(own ? [barOf("vram", machine.vram, available.vramFree, gpu)] : []),
    ...(machine.ram > 0 ? [barOf("ram", machine.ram, available.ramFree, own ? cpu : sumOf(gpu, cpu))] : []),
  ];
}

export function placementBars({ machine, gpu, cpu }: Placement): MemoryBar[] {
  const inRam = totalOf(machine.unified ? sumOf(gpu, cpu) : cpu);
  return barsOf(machine, gpu, cpu, {
    vramFree: machine.vramFree + totalOf(gpu),
    ramFree: machine.ramFree + inRam,
  });
}

/** Null: nothing is known of this machine's memory. */
export function fitOf(plan: ModelPlan, measured: Measured | null): Fit | null {
  const bars = planBars(plan, measured);
  const [first] = bars;
  if (first === undefined) return null;
  const short = bars.find(({ missing }) => missing > 0);
  if (short !== undefined) return { verdict: "too-large", bar: short };
  // A reserve of the card is left alone, so that a plan may not fit into what is free.
  if (plan.placement === "too-large" && totalOf(plan.gpu) > 0) return { verdict: "too-large", bar: first };
  // The plan fills a card with as many experts as fit: there only the RAM can be tight.
  const last = bars.at(-1) ?? first;
  const left = last.available - last.needs;
  return { verdict: left < last.total * tightShare ? "tight" : "fits", bar: last };
}
