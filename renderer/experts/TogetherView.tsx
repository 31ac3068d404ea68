// Which experts of a layer work on the same tokens, as a matrix ordered so that groups show, and its strongest pairs.
import { useMemo } from "react";
import { t } from "../i18n/texts.ts";
import { formatDecimal, formatPercent } from "../ui/format.ts";
import { clusterOrder } from "./clusterOrder.ts";
import type { ExpertTrace } from "./expertTrace.ts";
import { useExpertsView } from "./expertsView.ts";
import { FactTable } from "./FactTable.tsx";
import { NumberPicker } from "./NumberPicker.tsx";
import { PixelGrid } from "./PixelGrid.tsx";
import { coactivation } from "./statistics.ts";

const strongestPairs = 6;

export function TogetherView({ trace, tokens }: { readonly trace: ExpertTrace; readonly tokens: number }) {
  const layer = Math.min(
    useExpertsView((view) => view.layer),
    trace.moeLayers - 1,
  );
  const n = trace.expertCount;
  // The trace grows in place; `tokens` says that it did.
  // oxlint-disable-next-line react/exhaustive-deps
  const matrix = useMemo(() => coactivation(trace, layer), [trace, tokens, layer]);
  const order = useMemo(() => clusterOrder(matrix, n), [matrix, n]);
  if (trace.expertsUsed < 2) return <p className="text-muted">{t("experts.noneTogether")}</p>;

  const chance = (trace.expertsUsed - 1) / (n - 1);
  const cells = order.flatMap((row) =>
    order.map((column) => Math.min(1, (matrix[row * n + column] ?? 0) / (4 * chance))),
  );
  const pairs = Array.from(matrix, (share, cell) => ({ share, one: Math.floor(cell / n), other: cell % n }))
    .filter(({ share }) => share > 0)
    .toSorted((a, b) => b.share - a.share)
    .slice(0, strongestPairs);
  return (
    <>
      <NumberPicker
        label={t("experts.layer")}
        value={layer}
        count={trace.moeLayers}
        onPick={(picked) => useExpertsView.setState({ layer: picked })}
      />
      <PixelGrid
        label={t("experts.togetherMatrix", { experts: n, layer })}
        values={cells}
        columns={n}
        rows={n}
        height={280}
      />
      <FactTable
        caption={t("experts.togetherTable", { chance: formatPercent(chance) })}
        head={[t("experts.pair"), t("experts.together"), t("experts.timesChance")]}
        rows={pairs.map(({ share, one, other }) => [
          `E${one} → E${other}`,
          formatPercent(share),
          formatDecimal(share / chance, 1),
        ])}
      />
    </>
  );
}
