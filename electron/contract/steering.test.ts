import { expect, it } from "vitest";
import { inOrder, isUnsteered, steeringSchema } from "./steering.ts";

it("puts biases into the engine's order, the last of one expert standing and none of 0", () => {
  const given = [
    { layer: 1, expert: 0, bias: 2 },
    { layer: 0, expert: 3, bias: null },
    { layer: 1, expert: 0, bias: -1 },
    { layer: 0, expert: 10, bias: 0 },
    { layer: 0, expert: 2, bias: 1 },
  ];
  expect(inOrder(given)).toEqual([
    { layer: 0, expert: 2, bias: 1 },
    { layer: 0, expert: 3, bias: null },
    { layer: 1, expert: 0, bias: -1 },
  ]);
});

it("knows what asks for nothing", () => {
  expect(isUnsteered({ expertsUsed: null, biases: [{ layer: 0, expert: 0, bias: 0 }] })).toBe(true);
  expect(isUnsteered({ expertsUsed: 2, biases: [] })).toBe(false);
  expect(isUnsteered({ expertsUsed: null, biases: [{ layer: 0, expert: 0, bias: null }] })).toBe(false);
});

it("refuses what no router takes", () => {
  const steering = (bias: number | null) => ({
    modelId: "m",
    expertsUsed: null,
    biases: [{ layer: 0, expert: 0, bias }],
  });
  expect(steeringSchema.safeParse(steering(null)).success).toBe(true);
  expect(steeringSchema.safeParse(steering(8)).success).toBe(true);
  for (const bias of [9, Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(steeringSchema.safeParse(steering(bias)).success).toBe(false);
  }
  expect(steeringSchema.safeParse({ ...steering(1), expertsUsed: 0 }).success).toBe(false);
});
