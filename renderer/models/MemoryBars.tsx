// Memory bars: one per memory of this machine, each with a legend that says the same in words and numbers.
import { t } from "../i18n/texts.ts";
import { formatBytes } from "../ui/format.ts";
import type { MemoryBar } from "./memoryBars.ts";

/** "RAM, 24.1 GB: experts 3.10 MB, work space 412 MB, free 22.0 GB" */
function barWords({ memory, total, parts, missing }: MemoryBar): string {
  const listed = parts.map(({ kind, bytes }) => `${t(`models.part-${kind}`)} ${formatBytes(bytes)}`).join(", ");
  const words = t("models.barWords", {
    memory: t(`models.memory-${memory}`),
    total: formatBytes(total),
    parts: listed,
  });
  return missing > 0 ? `${words}; ${t("models.missing", { size: formatBytes(missing) })}` : words;
}

interface BarLineProps {
  readonly bar: MemoryBar;
  readonly className?: string;
  /** False: the words beside it say enough. */
  readonly spoken?: boolean;
}

/** The bar alone. What does not fit reaches past the memory's end, which is marked. */
export function BarLine({ bar, className = "", spoken = true }: BarLineProps) {
  const scale = Math.max(
    bar.total,
    bar.parts.reduce((sum, { bytes }) => sum + bytes, 0),
  );
  return (
    <span
      {...(spoken ? { role: "img", "aria-label": barWords(bar) } : { "aria-hidden": true })}
      className={`relative flex w-full overflow-hidden rounded border border-line bg-canvas ${className}`}
    >
      {bar.parts.map(({ kind, bytes }) => (
        <span
          key={kind}
          className={`memory-part memory-${kind} border-r border-line last:border-r-0`}
          style={{ width: `${(bytes / scale) * 100}%` }}
        />
      ))}
      {bar.missing > 0 && (
        <span
          className="absolute inset-y-0 border-l-2 border-danger"
          style={{ left: `${(bar.total / scale) * 100}%` }}
        />
      )}
    </span>
  );
}

function Legend({ bar }: { readonly bar: MemoryBar }) {
  return (
    <ul className="mt-1.5 flex flex-wrap gap-x-4 gap-y-1 text-xs">
      {bar.parts.map(({ kind, bytes }) => (
        <li key={kind} className="flex items-center gap-1.5">
          <span aria-hidden className={`memory-part memory-${kind} size-3 rounded-sm border border-line`} />
          <span className="text-muted">{t(`models.part-${kind}`)}</span>
          <span className="font-mono">{formatBytes(bytes)}</span>
        </li>
      ))}
    </ul>
  );
}

interface MemoryBarsProps {
  readonly title: string;
  readonly bars: readonly MemoryBar[];
}

export function MemoryBars({ title, bars }: MemoryBarsProps) {
  return (
    <section aria-label={title} className="py-2">
      <h3 className="text-xs font-semibold text-muted">{title}</h3>
      {bars.map((bar) => (
        <div key={bar.memory} className="mt-2">
          <div className="mb-1 flex justify-between text-xs">
            <span>{t(`models.memory-${bar.memory}`)}</span>
            <span className="font-mono">
              {t("models.bytesOf", { done: formatBytes(bar.needs), total: formatBytes(bar.total) })}
            </span>
          </div>
          <BarLine bar={bar} className="h-4" />
          <Legend bar={bar} />
          {bar.missing > 0 && (
            <p className="mt-1 text-xs text-danger">{t("models.missing", { size: formatBytes(bar.missing) })}</p>
          )}
        </div>
      ))}
    </section>
  );
}
