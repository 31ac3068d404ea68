// Whether a model fits into this machine's memory: a word, the number behind it, and a bar.
import { CircleAlert, CircleCheck, CircleX } from "lucide-react";
import type { Planned } from "../../electron/contract/placement.ts";
import { t } from "../i18n/texts.ts";
import { formatBytes } from "../ui/format.ts";
import { fitOf, planBars, type Fit } from "./memoryBars.ts";
import { BarLine } from "./MemoryBars.tsx";

const looks = {
  fits: { Icon: CircleCheck, colour: "text-ok" },
  tight: { Icon: CircleAlert, colour: "text-warn" },
  "too-large": { Icon: CircleX, colour: "text-danger" },
} as const;

function fitWords({ verdict, bar }: Fit): string {
  const free = formatBytes(bar.available);
  if (verdict === "too-large") return t("models.willNotFit", { needs: formatBytes(bar.needs), free });
  if (verdict === "tight") return t("models.tight", { leaves: formatBytes(bar.available - bar.needs) });
  return t("models.fits", { needs: formatBytes(bar.needs), free });
}

/** "12 of 32 experts on the card", where some are. */
export function expertsWords(experts: number, onCard: number): string | null {
  return onCard === 0 ? null : t("models.expertsOnCard", { onCard, experts });
}

export function FitBadge({ planned: { plan, measured } }: { readonly planned: Planned }) {
  const fit = fitOf(plan, measured);
  if (fit === null) return null;
  const { Icon, colour } = looks[fit.verdict];
  const [bar] = planBars(plan, measured);
  return (
    <span className="mt-1 flex w-full items-center gap-2 text-xs">
      <span className={`flex shrink-0 items-center gap-1 ${colour}`}>
        <Icon size={12} aria-hidden />
        {fitWords(fit)}
      </span>
      {plan.placement === "hybrid" && (
        <span className="shrink-0 text-muted">{expertsWords(plan.experts, plan.expertsOnGpu)}</span>
      )}
      {bar !== undefined && <BarLine bar={bar} spoken={false} className="h-2 min-w-12 flex-1" />}
    </span>
  );
}
