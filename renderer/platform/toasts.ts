// Short-lived notices. They stay while the pointer or the focus is among them: who works by keyboard needs the time to get there.
import { toast } from "sonner";
import { AppError } from "../../electron/contract/errors.ts";
import { t } from "../i18n/texts.ts";
import { errorTitle } from "./errorText.ts";

const shownMs = 12_000;
/** After the pointer or the focus has been there. */
const lingerMs = 2_000;

const list = "[data-sonner-toaster]";
/** The newest comes first. */
const newest = `${list} [data-sonner-toast][data-removed="false"]`;

/** Sonner's own clock stops for the pointer only. */
function closeAfter(ms: number, id: number | string): void {
  setTimeout(() => {
    const inUse = document.hidden || document.querySelector(`${list}:is(:hover, :focus-within)`) !== null;
    if (inUse) closeAfter(lingerMs, id);
    else toast.dismiss(id);
  }, ms);
}

export function reportError(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  const details = error instanceof AppError ? error.details : undefined;
  const title = error instanceof AppError ? errorTitle(error) : null;
  const id = toast.error(title ?? message, {
    duration: Number.POSITIVE_INFINITY,
    ...(title === null ? {} : { description: message }),
    ...(details === undefined
      ? {}
      : { action: { label: t("ui.copyDetails"), onClick: () => void navigator.clipboard.writeText(details) } }),
  });
  closeAfter(shownMs, id);
}

export function offerUndo(message: string, undo: () => Promise<void>): void {
  const id = toast(message, {
    duration: Number.POSITIVE_INFINITY,
    action: { label: t("ui.undo"), onClick: () => void undo().catch(reportError) },
  });
  closeAfter(shownMs, id);
}

export const anyNotice = (): boolean => document.querySelector(newest) !== null;

/** The focus goes to what the newest notice offers. */
export function focusNewestNotice(): void {
  const notice = document.querySelector<HTMLElement>(newest);
  (notice?.querySelector("button") ?? notice)?.focus();
}
