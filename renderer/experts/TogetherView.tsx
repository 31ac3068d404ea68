// Which experts of a layer work on the same tokens, as a matrix ordered so that groups show, and its strongest pairs.
import { useMemo } from "react";
import { clusterOrder } from "./clusterOrder.ts";
import type { ExpertTrace } from "./expertTrace.ts";
import { useExpertsView } from "./expertsView.ts";
import { FactTable, percent } from "./FactTable.tsx";
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
  if (trace.expertsUsed < 2) return <p className="text-muted">One expert per token: none work together.</p>;

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
        label="Layer"
        value={layer}
        count={trace.moeLayers}
        onPick={(picked) => useExpertsView.setState({ layer: picked })}
      />
      <PixelGrid
        label={`Co-activation of the ${n} experts of layer ${layer}`}
        values={cells}
        columns={n}
        rows={n}
        height={280}
      />
      <FactTable
        caption={`Of the left expert's tokens, how many also went to the right one (chance ${percent(chance)})`}
        head={["Pair", "Together", "× chance"]}
        rows={pairs.map(({ share, one, other }) => [
          `E${one} → E${other}`,
          percent(share),
          (share / chance).toFixed(1),
        ])}
      />
    </>
  );
}
