// How the shown conversation steers its experts: as stored, and as changed here. What cannot be is shown but not stored.
import { create } from "zustand";
import type { ConversationSteering, Steering } from "../../electron/contract/steering.ts";
import { client } from "../platform/client.ts";
import { reportError } from "../platform/toasts.ts";
import { tooManyMuted, type RouterShape } from "./steerEdits.ts";

interface SteeringStore {
  readonly conversationId: string | null;
  readonly chosen: ConversationSteering | null;
}

export const useSteering = create<SteeringStore>()(() => ({ conversationId: null, chosen: null }));

export async function openSteering(conversationId: string): Promise<void> {
  useSteering.setState({ conversationId, chosen: null });
  try {
    const chosen = await client.experts.getSteering({ conversationId });
    if (useSteering.getState().conversationId === conversationId) useSteering.setState({ chosen });
  } catch (error) {
    reportError(error);
  }
}

/** Shows the change at once, and stores it if the model can do it. */
export function changeSteering(on: boolean, steering: Steering, shape: RouterShape): void {
  const { conversationId } = useSteering.getState();
  const chosen = { on, steering };
  useSteering.setState({ chosen });
  if (conversationId === null || tooManyMuted(steering, shape) !== null) return;
  client.experts.setSteering({ conversationId, steering: chosen }).catch(reportError);
}

/** Another window changed it. */
export function startSteeringStore(): void {
  client.experts.on("steeringChanged", ({ conversationId, steering }) => {
    if (useSteering.getState().conversationId === conversationId) useSteering.setState({ chosen: steering });
  });
}
