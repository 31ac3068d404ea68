// How services announce events and transports hear them. A listener that throws does not keep the others from hearing.
import type { EventName, EventOf, Publish, ServiceName } from "../contract/ipc.ts";

export interface PublishedEvent {
  readonly service: ServiceName;
  readonly event: string;
  readonly payload: unknown;
}
export type EventListener = (event: PublishedEvent) => void;

export interface EventBus {
  readonly publish: Publish;
  /** @returns a function that ends the subscription. */
  subscribe(listener: EventListener): () => void;
}

export function createEventBus(onListenerError: (error: unknown) => void): EventBus {
  const listeners = new Set<EventListener>();
  return {
    publish<S extends ServiceName, E extends EventName<S>>(service: S, event: E, payload: EventOf<S, E>): void {
      for (const listener of listeners) {
        try {
          listener({ service, event, payload });
        } catch (error) {
          onListenerError(error);
        }
      }
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
