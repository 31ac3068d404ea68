// How evenly each layer spreads its tokens.
import type { ExpertTrace } from "./expertTrace.ts";
import { FactTable, percent } from "./FactTable.tsx";
import { expertsForShare, layerOf, maxOverUniform, normalisedEntropy, specialisation } from "./statistics.ts";

const mostTraffic = 0.9;

export function LoadView({ trace }: { readonly trace: ExpertTrace }) {
  const { counts, expertCount, expertsUsed, moeLayers } = trace;
  const rows = Array.from({ length: moeLayers }, (_, layer) => {
    const row = layerOf(counts, layer, expertCount);
    const busiest = row.indexOf(Math.max(...row));
    return [
      `L${layer}`,
      normalisedEntropy(row).toFixed(3),
      `E${busiest} ${percent(specialisation(row, expertsUsed)[busiest] ?? 0)}`,
      maxOverUniform(row).toFixed(1),
      String(expertsForShare(row, mostTraffic)),
    ];
  });
  const chance = percent(expertsUsed / expertCount);
  return (
    <FactTable
      caption={`Load per layer. Uniform: entropy 1, ${chance} each, ${Math.ceil(mostTraffic * expertCount)} of ${expertCount} experts for 90 % of traffic`}
      head={["Layer", "Entropy", "Busiest", "× unif.", "For 90 %"]}
      rows={rows}
    />
  );
}
