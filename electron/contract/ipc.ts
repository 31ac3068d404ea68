// All services by name, the channel names made from them, and the types of both ends. Preload, socket, main and renderer
// derive from this map; nothing else names a channel.
import type { z } from "zod";
import { app } from "./app.ts";
import { attachments } from "./attachments.ts";
import { chat } from "./chat.ts";
import { engine } from "./engine.ts";
import { experts } from "./experts.ts";
import { library } from "./library.ts";
import { models } from "./models.ts";
import { type CallSpec, type ServiceSpec } from "./service.ts";
import { settings } from "./settings.ts";
import { summaries } from "./summaries.ts";
import { templates } from "./templates.ts";

export const services = {
  app,
  chat,
  attachments,
  summaries,
  library,
  models,
  engine,
  experts,
  settings,
  templates,
} as const satisfies Record<string, ServiceSpec>;
export type Services = typeof services;
export type ServiceName = keyof Services;

export type CallInput<C> = C extends CallSpec<infer I, z.ZodType> ? z.input<I> : never;
export type CallArguments<C> = C extends CallSpec<infer I, z.ZodType> ? z.output<I> : never;
export type CallOutput<C> = C extends CallSpec<z.ZodType, infer O> ? z.output<O> : never;
export type EventPayload<P> = P extends z.ZodType ? z.output<P> : never;

export type EventName<S extends ServiceName> = keyof Services[S]["events"] & string;
export type EventOf<S extends ServiceName, E extends EventName<S>> = EventPayload<Services[S]["events"][E]>;

/** What the renderer sees as window.conclave or over the socket. */
export type ServiceClient<S extends ServiceName> = {
  readonly [C in keyof Services[S]["calls"]]: (
    input: CallInput<Services[S]["calls"][C]>,
  ) => Promise<CallOutput<Services[S]["calls"][C]>>;
} & {
  on<E extends EventName<S>>(event: E, listener: (payload: EventOf<S, E>) => void): () => void;
};
export type Client = { readonly [S in ServiceName]: ServiceClient<S> };

/** What a service implements. */
export type ServiceHandlers<S extends ServiceName> = {
  readonly [C in keyof Services[S]["calls"]]: (
    input: CallArguments<Services[S]["calls"][C]>,
  ) => Promise<CallOutput<Services[S]["calls"][C]>>;
};
export type Handlers = { readonly [S in ServiceName]: ServiceHandlers<S> };

/** How services announce events; both transports subscribe here. */
export type Publish = <S extends ServiceName, E extends EventName<S>>(
  service: S,
  event: E,
  payload: EventOf<S, E>,
) => void;

/** 'chat.sendMessage' for calls, 'chat/tokensArrived' for events. */
export const callChannel = (serviceName: string, callName: string): string => `${serviceName}.${callName}`;
export const eventChannel = (serviceName: string, eventName: string): string => `${serviceName}/${eventName}`;

export function allCallChannels(): string[] {
  return Object.entries(services).flatMap(([name, spec]) =>
    Object.keys(spec.calls).map((callName) => callChannel(name, callName)),
  );
}
export function allEventChannels(): string[] {
  return Object.entries(services).flatMap(([name, spec]) =>
    Object.keys(spec.events).map((eventName) => eventChannel(name, eventName)),
  );
}
