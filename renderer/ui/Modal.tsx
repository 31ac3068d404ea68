// A modal dialog: Radix gives focus trap, Esc and labelling; this gives the frame.
import { Dialog } from "radix-ui";
import type { ReactNode } from "react";
import { X } from "lucide-react";
import { t } from "../i18n/texts.ts";
import { IconButton } from "./IconButton.tsx";

interface ModalProps {
  readonly open: boolean;
  readonly title: string;
  readonly description?: string;
  readonly width?: number;
  readonly children: ReactNode;
  onClose(): void;
}

export function Modal({ open, title, description, width = 480, children, onClose }: ModalProps) {
  return (
    <Dialog.Root
      open={open}
      onOpenChange={(next) => {
        if (!next) onClose();
      }}
    >
      <Dialog.Portal>
        <Dialog.Overlay className="fixed inset-0 z-40 bg-black/40" />
        <Dialog.Content
          className="fixed top-1/2 left-1/2 z-50 flex max-h-[86vh] max-w-[94vw] -translate-x-1/2 -translate-y-1/2 flex-col rounded-xl border border-line bg-raised shadow-2xl"
          style={{ width }}
          {...(description === undefined ? { "aria-describedby": undefined } : {})}
        >
          <header className="flex items-center justify-between border-b border-line px-4 py-3">
            <Dialog.Title className="text-base font-semibold">{title}</Dialog.Title>
            <Dialog.Close asChild>
              <IconButton label={t("ui.close")}>
                <X size={16} aria-hidden />
              </IconButton>
            </Dialog.Close>
          </header>
          <div className="overflow-y-auto p-4">
            {description !== undefined && (
              <Dialog.Description className="mb-3 text-muted">{description}</Dialog.Description>
            )}
            {children}
          </div>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
