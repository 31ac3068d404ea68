// Where the experts of the loaded model are now, and what a cache of them is worth.
import type { LocatedModel } from "../../electron/contract/placement.ts";
import { t } from "../i18n/texts.ts";
import { usePlacement } from "../platform/placement.ts";
import { formatBytes, formatCount, formatPercent } from "../ui/format.ts";
import type { ExpertTrace } from "./expertTrace.ts";
import { FactTable } from "./FactTable.tsx";
import { TierMap } from "./TierMap.tsx";
import { countTiers, tiers, tiersOf, type TierGrid } from "./tiers.ts";

function Counts({ grid }: { readonly grid: TierGrid }) {
  const counts = countTiers(grid);
  return (
    <ul className="flex flex-wrap gap-x-4 gap-y-1 text-[13px]">
      {tiers.map(({ name, mark }, tier) => (
        <li key={name} className="flex items-center gap-1.5">
          <span aria-hidden className="font-mono text-accent">
            {mark}
          </span>
          {t("experts.tierCount", { tier: t(`experts.tier-${name}`), n: counts[tier] ?? 0 })}
        </li>
      ))}
    </ul>
  );
}

/** Only of a model that has some of its experts on a card: else nothing hits or misses. */
function CacheLine({ hits, misses, bytesMoved }: Pick<LocatedModel, "hits" | "misses" | "bytesMoved">) {
  if (hits + misses === 0) return null;
  const share = formatPercent(hits / (hits + misses));
  return <p className="text-[13px]">{t("experts.cacheHits", { share, moved: formatBytes(bytesMoved) })}</p>;
}

interface PlacesViewProps {
  readonly trace: ExpertTrace;
  /** Of the answer's model. */
  readonly modelId: string | undefined;
}

export function PlacesView({ trace, modelId }: PlacesViewProps) {
  const placement = usePlacement((found) => found);
  const cells = tiersOf(placement, modelId, trace);
  if (placement === null || cells === null) return <p className="text-muted">{t("experts.notLoaded")}</p>;
  const grid: TierGrid = { layers: trace.moeLayers, experts: trace.expertCount, cells };
  const rows = Array.from({ length: grid.layers }, (_, layer) => [
    `L${layer}`,
    ...countTiers(grid, layer).map((count) => formatCount(count)),
  ]);
  return (
    <>
      <p className="text-[13px] text-muted">{t("experts.tiersHelp")}</p>
      <Counts grid={grid} />
      <TierMap {...grid} />
      <CacheLine {...placement} />
      <FactTable
        caption={t("experts.tiersTable")}
        head={[t("experts.layer"), ...tiers.map(({ name }) => t(`experts.tier-${name}`))]}
        rows={rows}
      />
    </>
  );
}
