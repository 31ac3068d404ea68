// The heat map and its tables: what the experts do in the chosen window.
import { memo, useCallback, useEffect, useMemo, useState } from "react";
import { t } from "../i18n/texts.ts";
import { usePlacement } from "../platform/placement.ts";
import { formatDecimal, formatPercent } from "../ui/format.ts";
import { CellTable } from "./CellTable.tsx";
import type { Counted } from "./counted.ts";
import { conversationCounts } from "./countsStore.ts";
import { addCounted, countedOfLast } from "./exportView.ts";
import type { ExpertTrace } from "./expertTrace.ts";
import { traceWindows, useExpertsView, type TraceWindow } from "./expertsView.ts";
import { FactTable } from "./FactTable.tsx";
import { HeatMap } from "./HeatMap.tsx";
import { meanEntropy, slotsUsed, topExperts } from "./statistics.ts";
import { tiersOf, tierText } from "./tiers.ts";

const tableRows = 8;

const WindowChoice = memo(function WindowChoice() {
  const chosen = useExpertsView((view) => view.window);
  return (
    <div role="radiogroup" aria-label={t("experts.window")} className="flex rounded-md border border-line p-0.5">
      {traceWindows.map(({ id }) => (
        <label
          key={id}
          className="flex flex-1 cursor-pointer items-center justify-center rounded px-1 py-1 text-center text-xs text-muted has-checked:bg-hover has-checked:text-ink has-focus-visible:outline-2 has-focus-visible:outline-accent"
        >
          <input
            type="radio"
            name="trace-window"
            className="sr-only"
            checked={chosen === id}
            onChange={() => useExpertsView.setState({ window: id })}
          />
          {t(`experts.window-${id}`)}
        </label>
      ))}
    </div>
  );
});

/** What the chosen window holds. The conversation's earlier answers come from the database, once. */
function useCounted(
  { id, tokens: most }: TraceWindow,
  trace: ExpertTrace,
  tokens: number,
  earlier: readonly string[],
): { readonly counted: Counted; readonly live: () => Counted } {
  const [before, setBefore] = useState<Counted | null>(null);
  const wanted = id === "conversation" ? earlier.join(" ") : "";
  useEffect(() => {
    let stale = false;
    setBefore(null);
    if (wanted === "") return;
    void conversationCounts(wanted.split(" ")).then((counts) => {
      if (!stale) setBefore(counts);
    });
    return () => {
      stale = true;
    };
  }, [wanted]);
  const live = useCallback(() => addCounted(countedOfLast(trace, most), before), [trace, most, before]);
  // `tokens` stands for the trace's growth, which its identity does not show.
  // oxlint-disable-next-line react/exhaustive-deps
  return useMemo(() => ({ counted: live(), live }), [live, tokens]);
}

interface NumbersProps {
  readonly trace: ExpertTrace;
  readonly counted: Counted;
}

interface TopExpertsProps extends NumbersProps {
  /** [layers * experts] where each is; null: not known. */
  readonly places: Uint8Array | null;
}

const Summary = memo(function Summary({ trace, counted }: NumbersProps) {
  const { moeLayers: layers, expertCount: experts } = trace;
  return (
    <p className="text-[13px]">
      {t("experts.summary", {
        used: trace.expertsUsed,
        experts,
        layers,
        slots: formatPercent(slotsUsed(counted.counts), 0),
        entropy: formatDecimal(meanEntropy(counted.counts, layers, experts), 2),
      })}
    </p>
  );
});

const TopExperts = memo(function TopExperts({ trace, counted, places }: TopExpertsProps) {
  const used = counted.choices / Math.max(1, counted.tokens);
  const rows = topExperts(counted.counts, trace.expertCount, used, counted.tokens, tableRows);
  return (
    <FactTable
      caption={t("experts.topTable", { chance: formatPercent(used / trace.expertCount) })}
      head={[
        t("experts.expert"),
        t("experts.tokensColumn"),
        t("experts.timesUniformLong"),
        ...(places === null ? [] : [t("experts.where")]),
      ]}
      rows={rows.map(({ layer, expert, share, timesUniform }) => [
        `L${layer} E${expert}`,
        formatPercent(share),
        formatDecimal(timesUniform, 1),
        ...(places === null ? [] : [tierText(places[layer * trace.expertCount + expert])]),
      ])}
    />
  );
});

interface NowViewProps {
  readonly trace: ExpertTrace;
  readonly tokens: number;
  /** Messages of the thread before the answer of `trace`, by the same model. */
  readonly earlier: readonly string[];
  /** Of the model that wrote it. */
  readonly modelId: string | undefined;
}

export function NowView({ trace, tokens, earlier, modelId }: NowViewProps) {
  const places = usePlacement((placement) => tiersOf(placement, modelId, trace));
  const { window: windowId, logScale } = useExpertsView();
  const window = traceWindows.find(({ id }) => id === windowId) ?? traceWindows[2];
  const { counted, live } = useCounted(window, trace, tokens, earlier);
  const { moeLayers: layers, expertCount: experts } = trace;
  const used = counted.tokens === 0 ? trace.expertsUsed : counted.choices / counted.tokens;
  return (
    <>
      <Summary trace={trace} counted={counted} />
      <WindowChoice />
      <HeatMap
        counts={counted.counts}
        layers={layers}
        experts={experts}
        used={used}
        tokens={counted.tokens}
        logScale={logScale}
        live={live}
        {...(places === null ? {} : { places })}
      />
      <label className="flex items-center gap-2 text-[13px]">
        <input
          type="checkbox"
          checked={logScale}
          onChange={(event) => useExpertsView.setState({ logScale: event.target.checked })}
        />
        {t("experts.logScale")}
      </label>
      <TopExperts trace={trace} counted={counted} places={places} />
      <CellTable counted={counted} layers={layers} experts={experts} />
    </>
  );
}
