// The heat map and its table: what the experts do in the chosen window.
import { useMemo } from "react";
import type { ExpertTrace } from "./expertTrace.ts";
import { traceWindows, useExpertsView } from "./expertsView.ts";
import { FactTable, percent } from "./FactTable.tsx";
import { HeatMap } from "./HeatMap.tsx";
import { meanEntropy, slotsUsed, topExperts } from "./statistics.ts";

const tableRows = 8;

function WindowChoice() {
  const chosen = useExpertsView((view) => view.window);
  return (
    <div role="radiogroup" aria-label="Window" className="flex rounded-md border border-line p-0.5">
      {traceWindows.map(({ id, label }) => (
        <label
          key={id}
          className="flex-1 cursor-pointer rounded px-2 py-1 text-center text-xs text-muted has-checked:bg-hover has-checked:text-ink has-focus-visible:outline-2 has-focus-visible:outline-accent"
        >
          <input
            type="radio"
            name="trace-window"
            className="sr-only"
            checked={chosen === id}
            onChange={() => useExpertsView.setState({ window: id })}
          />
          {label}
        </label>
      ))}
    </div>
  );
}

export function NowView({ trace, tokens }: { readonly trace: ExpertTrace; readonly tokens: number }) {
  const { window: windowId, logScale } = useExpertsView();
  const window = traceWindows.find(({ id }) => id === windowId) ?? traceWindows[2];
  // The running totals grow in place, so `tokens` (not their identity) says that they changed.
  // oxlint-disable-next-line react/exhaustive-deps
  const counts = useMemo(() => trace.countsOfLast(window.tokens), [trace, tokens, window]);
  const rows = topExperts(counts, trace.expertCount, trace.expertsUsed, tableRows).map(
    ({ layer, expert, share, timesUniform }) => [`L${layer} E${expert}`, percent(share), timesUniform.toFixed(1)],
  );
  return (
    <>
      <p className="text-[13px]">
        {trace.expertsUsed} of {trace.expertCount} experts active · {trace.moeLayers} layers ·{" "}
        {Math.round(slotsUsed(counts) * 100)} % of slots used · entropy{" "}
        {meanEntropy(counts, trace.moeLayers, trace.expertCount).toFixed(2)}
      </p>
      <WindowChoice />
      <HeatMap
        counts={counts}
        layers={trace.moeLayers}
        experts={trace.expertCount}
        used={trace.expertsUsed}
        // What the counts cover now: `tokens` may be a refresh behind the totals, which grow in place.
        tokens={Math.min(window.tokens, trace.tokens)}
        logScale={logScale}
      />
      <label className="flex items-center gap-2 text-[13px]">
        <input
          type="checkbox"
          checked={logScale}
          onChange={(event) => useExpertsView.setState({ logScale: event.target.checked })}
        />
        Log scale
      </label>
      <FactTable
        caption={`Most chosen experts (uniform would be ${percent(trace.expertsUsed / trace.expertCount)} each)`}
        head={["Expert", "Tokens", "× uniform"]}
        rows={rows}
      />
    </>
  );
}
