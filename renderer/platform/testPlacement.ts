// What the engine said of a small Mixtral on the simulated device with room for ten of its sixteen experts: no machine with a
// graphics card is needed to test what one would show.
import type { LocatedModel, ModelPlan, Planned } from "../../electron/contract/placement.ts";

export const cardPlan: ModelPlan = {
  placement: "hybrid",
  reason:
    "10 of 16 experts fit on the graphics card beside the rest of the model; the others are computed by the processor",
  gpu: { weights: 390_144, experts: 1_105_920, kv: 131_072, work: 8_774_272 },
  cpu: { weights: 0, experts: 663_552, kv: 0, work: 420_877_952 },
  experts: 16,
  expertsOnGpu: 10,
  context: 128,
  mostContext: 256,
  machine: {
    ram: 8_000_000_000,
    ramFree: 5_000_000_000,
    vram: 16_000_000,
    vramFree: 10_475_136,
    unified: false,
    card: "cuda-on-host",
    noCard: "",
  },
};

export const cardPlanned: Planned = {
  options: { device: "auto", context: 0, kvType: "F16", expertCache: "lru", vramMb: 0 },
  own: { expertCache: "lru" },
  plan: cardPlan,
  measured: null,
};

export const cardPlacement: LocatedModel = {
  modelId: "mixtral",
  backend: "cuda-on-host + cpu-avx512vnni",
  gpu: { weights: 390_144, experts: 1_105_920, kv: 131_072, work: 1_577_216 },
  cpu: { weights: 0, experts: 663_552, kv: 0, work: 7_348_224 },
  machine: { ram: 8_000_000_000, ramFree: 4_900_000_000, vram: 16_000_000, vramFree: 7_270_784, unified: false },
  moeLayers: 2,
  experts: 8,
  tiers: Uint8Array.of(1, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0),
  hits: 71,
  misses: 39,
  bytesMoved: 552_960,
};
