// The heat map as a table, for those who read rather than see: one row per layer, one column per expert. It holds thousands of
// cells, so it is made when it is opened and shows that moment until it is opened again.
import { useState } from "react";
import { t } from "../i18n/texts.ts";
import { formatDecimal } from "../ui/format.ts";
import type { Counted } from "./counted.ts";

interface CellTableProps {
  readonly counted: Counted;
  readonly layers: number;
  readonly experts: number;
}

export function CellTable({ counted, layers, experts }: CellTableProps) {
  const [seen, setSeen] = useState<Counted | null>(null);
  return (
    <details
      onToggle={(event) => setSeen(event.currentTarget.open ? { ...counted, counts: counted.counts.slice() } : null)}
    >
      <summary className="cursor-pointer text-[13px] text-muted hover:text-ink">{t("experts.allCells")}</summary>
      {seen !== null && (
        <div
          role="region"
          aria-label={t("experts.allCells")}
          // Scrolls, and so must be reached by the keyboard.
          // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
          tabIndex={0}
          className="mt-2 max-h-72 overflow-auto rounded-md border border-line"
        >
          <table className="font-mono text-[11px]">
            <caption className="sr-only">{t("experts.allCellsCaption", { tokens: seen.tokens })}</caption>
            <thead>
              <tr>
                <th scope="col" className="sticky left-0 bg-surface px-1.5 text-left font-medium text-muted">
                  {t("experts.layer")}
                </th>
                {Array.from({ length: experts }, (_, expert) => (
                  <th key={expert} scope="col" className="px-1.5 py-0.5 text-right font-medium text-muted">
                    E{expert}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {Array.from({ length: layers }, (_, layer) => (
                <tr key={layer}>
                  <th scope="row" className="sticky left-0 bg-surface px-1.5 py-0.5 text-left font-medium text-muted">
                    L{layer}
                  </th>
                  {Array.from({ length: experts }, (__, expert) => (
                    <td key={expert} className="px-1.5 py-0.5 text-right">
                      {formatDecimal(
                        ((seen.counts[layer * experts + expert] ?? 0) / Math.max(1, seen.tokens)) * 100,
                        1,
                      )}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  );
}
