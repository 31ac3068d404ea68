// Whatever fails in the engine process -> an error for the wire.
import { appErrorCodes, AppError, toWire, type AppErrorCode, type WireError } from "../contract/errors.ts";
import { ChatTemplateError } from "./chatTemplate.ts";
import { MetadataError } from "./ggufMetadata.ts";
import { TokenizerError } from "./tokenizer.ts";

const codes: ReadonlySet<unknown> = new Set(appErrorCodes);
const isAppErrorCode = (code: unknown): code is AppErrorCode => codes.has(code);

/** One sentence with a capital and a full stop, however the engine wrote it. */
function sentence(text: string): string {
  const line = text.trim().replace(/\s*\n\s*/gu, " ");
  return `${line.charAt(0).toUpperCase()}${line.slice(1)}${/[.!?]$/u.test(line) ? "" : "."}`;
}

/** An error of the native engine, which has a code of our list and one sentence. */
export function nativeError(code: string, message: string): AppError {
  return new AppError(isAppErrorCode(code) ? code : "internal", sentence(message));
}

/** The graphics card is of no use to this process any more. */
export function isLostDevice(error: unknown): error is { readonly code: "device-lost"; readonly message: string } {
  return typeof error === "object" && error !== null && "code" in error && error.code === "device-lost";
}

export function hostError(error: unknown): WireError {
  if (error instanceof ChatTemplateError) return { code: "template-failed", message: error.message };
  if (error instanceof MetadataError || error instanceof TokenizerError)
    return { code: "bad-file", message: error.message };
  if (error instanceof Error && !(error instanceof AppError) && "code" in error && isAppErrorCode(error.code)) {
    return { code: error.code, message: sentence(error.message) };
  }
  return toWire(error);
}
