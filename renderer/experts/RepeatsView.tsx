// How often neighbouring tokens share experts, against chance.
import { t } from "../i18n/texts.ts";
import { formatPercent } from "../ui/format.ts";
import type { ExpertTrace } from "./expertTrace.ts";
import { FactTable } from "./FactTable.tsx";
import { repeatChance, repeats } from "./statistics.ts";

export function RepeatsView({ trace }: { readonly trace: ExpertTrace }) {
  const chance = repeatChance(trace.expertCount, trace.expertsUsed);
  const rows = Array.from({ length: trace.moeLayers }, (_, layer) => {
    const { first, any } = repeats(trace, layer);
    return [`L${layer}`, formatPercent(first), formatPercent(any)];
  });
  return (
    <FactTable
      caption={t("experts.repeatsTable", { first: formatPercent(chance.first), any: formatPercent(chance.any) })}
      head={[t("experts.layer"), t("experts.firstChoice"), t("experts.anyChoice")]}
      rows={rows}
    />
  );
}
