// The only file that touches window.conclave or the socket. Everything above it sees the typed services of the contract
// and cannot tell which of the two carries them.
import { fromWire } from "../../electron/contract/errors.ts";
import { services, type Client, type ServiceName } from "../../electron/contract/ipc.ts";
import { createSocketBridge } from "./socketBridge.ts";
import type { Bridge, ConnectionState } from "./bridge.ts";

declare global {
  interface Window {
    /** Exposed by electron/preload; absent in a browser. */
    readonly conclave?: Pick<Bridge, "call" | "on">;
  }
}

function createBridge(): Bridge {
  const exposed = window.conclave;
  if (exposed === undefined) return createSocketBridge();
  return {
    call: (service, call, input) => exposed.call(service, call, input),
    on: (service, event, listener) => exposed.on(service, event, listener),
    onConnection: (listener) => {
      listener("open");
      return () => {};
    },
  };
}

/** A client over any bridge; every call rejects with an AppError when the other side answered with an error. */
export function createClient(bridge: Bridge): Client {
  const entries = Object.entries(services).map(([service, spec]) => {
    const calls = Object.keys(spec.calls).map((call) => [
      call,
      async (input: unknown): Promise<unknown> => {
        const answer = await bridge.call(service, call, input);
        if (answer.ok) return answer.value;
        throw fromWire(answer.error);
      },
    ]);
    const on = (event: string, listener: (payload: unknown) => void): (() => void) =>
      bridge.on(service, event, listener);
    return [service, { ...Object.fromEntries(calls), on }] satisfies [string, unknown];
  });
  // The map was built from the same `services` object that the type is derived from.
  return Object.fromEntries(entries) as Record<ServiceName, unknown> as Client;
}

const bridge = createBridge();
export const client: Client = createClient(bridge);
export const onConnection = (listener: (state: ConnectionState) => void): (() => void) => bridge.onConnection(listener);
/** True in a browser tab, where native dialogs do not exist and links open from the page itself. */
export const inBrowser = window.conclave === undefined;
