// Short-lived notices in the corner.
import { toast } from "sonner";
import { AppError } from "../../electron/contract/errors.ts";
import { t } from "../i18n/texts.ts";
import { errorTitle } from "./errorText.ts";

const undoMs = 8_000;

export function reportError(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  const details = error instanceof AppError ? error.details : undefined;
  const title = error instanceof AppError ? errorTitle(error) : null;
  toast.error(title ?? message, {
    duration: 12_000,
    ...(title === null ? {} : { description: message }),
    ...(details === undefined
      ? {}
      : { action: { label: t("ui.copyDetails"), onClick: () => void navigator.clipboard.writeText(details) } }),
  });
}

export function offerUndo(message: string, undo: () => Promise<void>): void {
  toast(message, {
    duration: undoMs,
    action: { label: t("ui.undo"), onClick: () => void undo().catch(reportError) },
  });
}
