// Totals over answers that are finished: asked for once per set of messages.
import { client } from "../platform/client.ts";
import type { Counted } from "./counted.ts";

/** Sets kept; a conversation that grows asks for a new one with every answer. */
const keptSets = 32;

const known = new Map<string, Promise<Counted | null>>();

async function read(messageIds: readonly string[]): Promise<Counted | null> {
  const sum = await client.experts.getCounts({ messageIds: [...messageIds] });
  return sum === null ? null : { ...sum, counts: Float64Array.from(sum.counts) };
}

/** Null: none of them has a trace. Never rejects: a panel without its totals still shows what it has. */
export function conversationCounts(messageIds: readonly string[]): Promise<Counted | null> {
  const key = messageIds.join(" ");
  const reading =
    known.get(key) ??
    read(messageIds).catch(() => {
      known.delete(key);
      return null;
    });
  known.delete(key);
  known.set(key, reading);
  for (const oldest of known.keys()) {
    if (known.size <= keptSets) break;
    known.delete(oldest);
  }
  return reading;
}

/** Traces were cleared: nothing counted before is true any more. */
export const forgetCounts = (): void => known.clear();
