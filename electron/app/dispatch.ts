// The one way from a raw call off the wire to a service: names and input are checked against the contract, every error
// becomes a WireError. Both transports use it, so they cannot differ.
import { type AppErrorCode, AppError, toWire, type WireError } from "../contract/errors.ts";
import { type Handlers, services } from "../contract/ipc.ts";
import type { CallSpec } from "../contract/service.ts";

export type CallResult =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: WireError };
export type Dispatch = (service: unknown, call: unknown, input: unknown) => Promise<CallResult>;

type AnyHandler = (input: unknown) => Promise<unknown>;

/** @param onFailure told about every error that is not the caller's own fault. */
export function createDispatch(handlers: Handlers, onFailure: (channel: string, error: WireError) => void): Dispatch {
  return async (service, call, input) => {
    const channel = `${String(service)}.${String(call)}`.slice(0, 100);
    try {
      const spec = specOf(service, call, channel);
      const parsed = spec.input.safeParse(input);
      if (!parsed.success)
        throw new AppError("bad-argument", `${channel} was called with ${describe(parsed.error.issues)}.`);
      const handler = handlerOf(handlers, service, call);
      return { ok: true, value: await handler(parsed.data) };
    } catch (error) {
      const wire = toWire(error);
      if (!expected.has(wire.code)) onFailure(channel, wire);
      return { ok: false, error: wire };
    }
  };
}

/** Part of normal use: nothing for the log. */
const expected: ReadonlySet<AppErrorCode> = new Set(["bad-argument", "not-found", "conflict", "no-model", "cancelled"]);

function specOf(service: unknown, call: unknown, channel: string): CallSpec {
  if (typeof service === "string" && typeof call === "string" && Object.hasOwn(services, service)) {
    const calls: Readonly<Record<string, CallSpec>> = services[service as keyof typeof services].calls;
    const spec = Object.hasOwn(calls, call) ? calls[call] : undefined;
    if (spec !== undefined) return spec;
  }
  throw new AppError("bad-argument", `There is no call named ${channel}.`);
}

function handlerOf(handlers: Handlers, service: unknown, call: unknown): AnyHandler {
  const group = handlers[service as keyof Handlers] as unknown as Readonly<Record<string, AnyHandler>>;
  const handler = group[call as string];
  if (handler === undefined) throw new AppError("internal", `${String(service)}.${String(call)} is not implemented.`);
  return handler;
}

function describe(issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[]): string {
  const [first] = issues;
  if (first === undefined) return "something it does not take";
  const where = first.path.length === 0 ? "its input" : `"${first.path.map(String).join(".")}"`;
  return `${where} wrong (${first.message})`;
}
