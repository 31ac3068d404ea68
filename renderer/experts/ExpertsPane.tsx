// The live expert panel: which experts answered, as a heat map, in numbers and on the words themselves.
import { useMemo } from "react";
import type { ExpertTrace } from "./expertTrace.ts";
import { traceWindows, useExpertsView } from "./expertsView.ts";
import { HeatMap } from "./HeatMap.tsx";
import { meanEntropy, slotsUsed, topExperts } from "./statistics.ts";
import { useTrace } from "./useTrace.ts";

const refreshesPerSecond = 10;
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

function Switches({ layers }: { readonly layers: number }) {
  const { logScale, colourTokens, layer } = useExpertsView();
  return (
    <div className="flex flex-col gap-2 text-[13px]">
      <label className="flex items-center gap-2">
        <input
          type="checkbox"
          checked={logScale}
          onChange={(event) => useExpertsView.setState({ logScale: event.target.checked })}
        />
        Log scale
      </label>
      <div className="flex items-center justify-between gap-2">
        <label className="flex items-center gap-2">
          <input
            type="checkbox"
            checked={colourTokens}
            onChange={(event) => useExpertsView.setState({ colourTokens: event.target.checked })}
          />
          Colour tokens by first expert
        </label>
        <label className="flex items-center gap-1 text-muted">
          Layer
          <select
            value={Math.min(layer, layers - 1)}
            onChange={(event) => useExpertsView.setState({ layer: Number(event.target.value) })}
            className="rounded border border-line bg-raised px-1 py-0.5 text-ink"
          >
            {Array.from({ length: layers }, (_, index) => (
              <option key={index} value={index}>
                {index}
              </option>
            ))}
          </select>
        </label>
      </div>
    </div>
  );
}

function Numbers({ trace, counts }: { readonly trace: ExpertTrace; readonly counts: Float64Array }) {
  const top = topExperts(counts, trace.expertCount, trace.expertsUsed, tableRows);
  const uniform = trace.expertsUsed / trace.expertCount;
  return (
    <table className="w-full text-xs">
      <caption className="pb-1 text-left text-muted">
        Most chosen experts (uniform would be {(uniform * 100).toFixed(1)} % each)
      </caption>
      <thead>
        <tr className="border-b border-line text-left text-muted">
          <th scope="col" className="py-1 font-medium">
            Layer
          </th>
          <th scope="col" className="py-1 font-medium">
            Expert
          </th>
          <th scope="col" className="py-1 text-right font-medium">
            Tokens
          </th>
          <th scope="col" className="py-1 text-right font-medium">
            × uniform
          </th>
        </tr>
      </thead>
      <tbody className="font-mono">
        {top.map(({ layer, expert, share, timesUniform }) => (
          <tr key={`${layer}-${expert}`} className="border-b border-line/60">
            <td className="py-1">L{layer}</td>
            <td className="py-1">E{expert}</td>
            <td className="py-1 text-right">{(share * 100).toFixed(1)} %</td>
            <td className="py-1 text-right">{timesUniform.toFixed(1)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function TraceView({ trace, tokens }: { readonly trace: ExpertTrace; readonly tokens: number }) {
  const { window: windowId, logScale } = useExpertsView();
  const window = traceWindows.find(({ id }) => id === windowId) ?? traceWindows[2];
  // The running totals grow in place, so `tokens` (not their identity) says that they changed.
  // oxlint-disable-next-line react/exhaustive-deps
  const counts = useMemo(() => trace.countsOfLast(window.tokens), [trace, tokens, window]);
  const covered = Math.min(window.tokens, tokens);
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
        tokens={covered}
        logScale={logScale}
      />
      <Switches layers={trace.moeLayers} />
      <Numbers trace={trace} counts={counts} />
    </>
  );
}

interface ExpertsPaneProps {
  readonly width: number;
  /** The answer whose routing is shown; null: the thread has none. */
  readonly answer: { readonly id: string; readonly generating: boolean } | null;
}

export function ExpertsPane({ width, answer }: ExpertsPaneProps) {
  const { trace, tokens } = useTrace(answer?.id ?? null, refreshesPerSecond);
  const empty =
    answer === null || answer.generating
      ? "Ask something: the experts that answer light up here."
      : "This answer has no expert trace. Models without experts have none.";
  return (
    <aside
      aria-label="Experts"
      style={{ width }}
      className="flex h-full shrink-0 flex-col gap-3 overflow-y-auto border-l border-line bg-surface p-3"
    >
      <h2 className="text-sm font-semibold">Experts</h2>
      {trace === null || tokens === 0 ? (
        <p className="text-muted">{empty}</p>
      ) : (
        <TraceView trace={trace} tokens={tokens} />
      )}
    </aside>
  );
}
