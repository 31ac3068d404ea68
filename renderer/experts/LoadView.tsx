// How evenly each layer spreads its tokens.
import { t } from "../i18n/texts.ts";
import { formatDecimal, formatPercent } from "../ui/format.ts";
import type { ExpertTrace } from "./expertTrace.ts";
import { FactTable } from "./FactTable.tsx";
import { expertsForShare, layerOf, maxOverUniform, normalisedEntropy, specialisation } from "./statistics.ts";

const mostTraffic = 0.9;

export function LoadView({ trace }: { readonly trace: ExpertTrace }) {
  const { counts, expertCount, expertsUsed, moeLayers } = trace;
  const rows = Array.from({ length: moeLayers }, (_, layer) => {
    const row = layerOf(counts, layer, expertCount);
    const busiest = row.indexOf(Math.max(...row));
    return [
      `L${layer}`,
      formatDecimal(normalisedEntropy(row), 3),
      `E${busiest} ${formatPercent(specialisation(row, expertsUsed)[busiest] ?? 0)}`,
      formatDecimal(maxOverUniform(row), 1),
      String(expertsForShare(row, mostTraffic)),
    ];
  });
  const chance = formatPercent(expertsUsed / expertCount);
  return (
    <FactTable
      caption={t("experts.loadTable", {
        chance,
        most: Math.ceil(mostTraffic * expertCount),
        experts: expertCount,
        share: formatPercent(mostTraffic, 0),
      })}
      head={[
        t("experts.layer"),
        t("experts.entropy"),
        t("experts.busiest"),
        t("experts.timesUniform"),
        t("experts.forMost", { share: formatPercent(mostTraffic, 0) }),
      ]}
      rows={rows}
    />
  );
}
