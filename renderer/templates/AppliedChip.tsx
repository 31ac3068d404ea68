// The template of the open conversation, above the composer: its name and values, with a way to change or take it away.
import { Pencil, ScrollText, X } from "lucide-react";
import type { AppliedTemplate } from "../../electron/contract/chat.ts";
import { t } from "../i18n/texts.ts";
import { IconButton } from "../ui/IconButton.tsx";

interface AppliedChipProps {
  readonly applied: AppliedTemplate;
  /** undefined: it cannot be changed, because it was deleted or asks for nothing. */
  readonly onEdit: (() => void) | undefined;
  onRemove(): void;
}

export function AppliedChip({ applied, onEdit, onRemove }: AppliedChipProps) {
  const values = Object.values(applied.values).filter((value) => value !== "");
  return (
    <div className="mb-1.5 flex items-center">
      <div className="flex h-7 max-w-full items-center gap-1.5 rounded-full border border-line bg-surface pr-0.5 pl-2.5 text-xs">
        <ScrollText size={13} aria-hidden className="shrink-0 text-accent" />
        <span className="shrink-0 font-medium" title={t("templates.version", { version: applied.version })}>
          {applied.name}
        </span>
        {values.length > 0 && <span className="min-w-0 truncate text-muted">{values.join(" · ")}</span>}
        {onEdit !== undefined && (
          <IconButton
            label={t("templates.changeValues", { name: applied.name })}
            className="size-6 rounded-full"
            onClick={onEdit}
          >
            <Pencil size={12} aria-hidden />
          </IconButton>
        )}
        <IconButton
          label={t("templates.takeAway", { name: applied.name })}
          className="size-6 rounded-full"
          onClick={onRemove}
        >
          <X size={13} aria-hidden />
        </IconButton>
      </div>
    </div>
  );
}
