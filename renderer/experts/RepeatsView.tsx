// How often neighbouring tokens share experts, against chance.
import type { ExpertTrace } from "./expertTrace.ts";
import { FactTable, percent } from "./FactTable.tsx";
import { repeatChance, repeats } from "./statistics.ts";

export function RepeatsView({ trace }: { readonly trace: ExpertTrace }) {
  const chance = repeatChance(trace.expertCount, trace.expertsUsed);
  const rows = Array.from({ length: trace.moeLayers }, (_, layer) => {
    const { first, any } = repeats(trace, layer);
    return [`L${layer}`, percent(first), percent(any)];
  });
  return (
    <FactTable
      caption={`Consecutive tokens with the same first choice (chance ${percent(chance.first)}) and with any expert in common (chance ${percent(chance.any)})`}
      head={["Layer", "First", "Any"]}
      rows={rows}
    />
  );
}
