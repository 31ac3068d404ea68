// Errors as they cross the wire: a code that code can branch on, and one sentence for people (cause, number, way out).
import { z } from "zod";

export const appErrorCodes = [
  "bad-argument", // the caller sent something the contract does not allow
  "not-found", // the id names nothing (any more)
  "conflict", // the state does not allow it now, e.g. a run is under way
  "no-model", // nothing is loaded and nothing can be
  "bad-file", // a model, database or import is damaged
  "unsupported", // well-formed, but not something this build can do
  "out-of-memory",
  "disk-full",
  "read-only", // the data folder cannot be written
  "io",
  "template-failed", // the model's chat template did not render
  "engine-crashed", // the engine process ended during the run
  "engine-stopped", // three crashes in two minutes: not restarted by itself any more
  "cancelled",
  "forbidden", // wrong sender, origin, host or token
  "internal",
] as const;

export type AppErrorCode = (typeof appErrorCodes)[number];

export const wireErrorSchema = z.object({
  code: z.enum(appErrorCodes),
  message: z.string(),
  /** Extra text for "Details" (copyable): a stack, a log line, a path. */
  details: z.string().optional(),
});
export type WireError = z.infer<typeof wireErrorSchema>;

export class AppError extends Error {
  readonly code: AppErrorCode;
  readonly details: string | undefined;

  constructor(code: AppErrorCode, message: string, details?: string) {
    super(message);
    this.name = "AppError";
    this.code = code;
    this.details = details;
  }
}

/** Anything thrown -> what may be shown. Unknown errors keep their message but never their stack in `message`. */
export function toWire(error: unknown): WireError {
  if (error instanceof AppError) {
    return {
      code: error.code,
      message: error.message,
      ...(error.details === undefined ? {} : { details: error.details }),
    };
  }
  if (error instanceof Error) {
    return { code: "internal", message: error.message, ...(error.stack === undefined ? {} : { details: error.stack }) };
  }
  return { code: "internal", message: String(error) };
}

export function fromWire(wire: WireError): AppError {
  return new AppError(wire.code, wire.message, wire.details);
}
