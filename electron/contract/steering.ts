// How a conversation asks a model's routers to choose otherwise than they were trained to. An experiment: off unless asked for.
import { z } from "zod";

/** Largest change of a router's logit that is offered; e^8 is three thousand times as likely. */
export const maxBias = 8;
const maxBiases = 20_000;

export const steeringSchema = z.object({
  /** The model whose layers and experts are meant; any other answers as trained. */
  modelId: z.string().min(1).max(64),
  /** Experts per token; null: as trained, which is also the most. */
  expertsUsed: z.number().int().min(1).max(1024).nullable(),
  /** `layer` counts those with experts. `bias` is added to the router's logit; null: muted, never chosen. */
  biases: z
    .array(
      z.object({
        layer: z.number().int().min(0).max(10_000),
        expert: z.number().int().min(0).max(65_535),
        bias: z.number().min(-maxBias).max(maxBias).nullable(),
      }),
    )
    .max(maxBiases),
});
export type Steering = z.infer<typeof steeringSchema>;
export type ExpertBias = Steering["biases"][number];

/** A conversation's own, kept while it is off. */
export const conversationSteeringSchema = z.object({ on: z.boolean(), steering: steeringSchema });
export type ConversationSteering = z.infer<typeof conversationSteeringSchema>;

/** True when it asks for nothing. */
export const isUnsteered = ({ expertsUsed, biases }: Pick<Steering, "expertsUsed" | "biases">): boolean =>
  expertsUsed === null && biases.every(({ bias }) => bias === 0);

/** What the engine takes: one bias per expert (the last one stands), none that is 0, in order. */
export function inOrder(biases: readonly ExpertBias[]): ExpertBias[] {
  const last = new Map(biases.map((entry) => [`${entry.layer} ${entry.expert}`, entry]));
  return [...last.values()]
    .filter(({ bias }) => bias !== 0)
    .toSorted((a, b) => a.layer - b.layer || a.expert - b.expert);
}
