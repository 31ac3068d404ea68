// What carries calls and events between the page and the services: the preload's object or a socket.
import type { WireError } from "../../electron/contract/errors.ts";

export type Answer = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: WireError };
export type ConnectionState = "connecting" | "open" | "lost";

export interface Bridge {
  call(service: string, call: string, input: unknown): Promise<Answer>;
  on(service: string, event: string, listener: (payload: unknown) => void): () => void;
  /** Called at once with the present state, then on every change. */
  onConnection(listener: (state: ConnectionState) => void): () => void;
}
