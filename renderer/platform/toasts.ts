// Short-lived notices in the corner.
import { toast } from "sonner";
import { AppError } from "../../electron/contract/errors.ts";

const undoMs = 8_000;

export function reportError(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  const details = error instanceof AppError ? error.details : undefined;
  toast.error(message, {
    duration: 12_000,
    ...(details === undefined
      ? {}
      : { action: { label: "Copy details", onClick: () => void navigator.clipboard.writeText(details) } }),
  });
}

export function offerUndo(message: string, undo: () => Promise<void>): void {
  toast(message, {
    duration: undoMs,
    action: { label: "Undo", onClick: () => void undo().catch(reportError) },
  });
}
