// The shape of a service on the wire: calls (input and output schemas) and events (payload schemas).
import type { z } from "zod";

export interface CallSpec<I extends z.ZodType = z.ZodType, O extends z.ZodType = z.ZodType> {
  readonly input: I;
  readonly output: O;
}
export interface ServiceSpec {
  readonly calls: Readonly<Record<string, CallSpec>>;
  readonly events: Readonly<Record<string, z.ZodType>>;
}

export function call<I extends z.ZodType, O extends z.ZodType>(input: I, output: O): CallSpec<I, O> {
  return { input, output };
}
export function event<P extends z.ZodType>(payload: P): P {
  return payload;
}
export function service<S extends ServiceSpec>(spec: S): S {
  return spec;
}
