// The live expert panel: which experts answered, as a heat map, in numbers and on the words themselves.
import { Tabs } from "radix-ui";
import type { ExpertTrace } from "./expertTrace.ts";
import { expertTabs, useExpertsView, type ExpertTab } from "./expertsView.ts";
import { LoadView } from "./LoadView.tsx";
import { NowView } from "./NowView.tsx";
import { NumberPicker } from "./NumberPicker.tsx";
import { RepeatsView } from "./RepeatsView.tsx";
import { TogetherView } from "./TogetherView.tsx";
import { traceOf } from "./traceStore.ts";
import { useTrace } from "./useTrace.ts";
import { WordsView } from "./WordsView.tsx";

const refreshesPerSecond = 10;

function TokenColours({ layers }: { readonly layers: number }) {
  const { colourTokens, layer } = useExpertsView();
  return (
    <div className="flex items-center justify-between gap-2 border-b border-line pb-3 text-[13px]">
      <label className="flex items-center gap-2">
        <input
          type="checkbox"
          checked={colourTokens}
          onChange={(event) => useExpertsView.setState({ colourTokens: event.target.checked })}
        />
        Colour tokens by first expert
      </label>
      {colourTokens && (
        <NumberPicker
          label="Layer"
          value={layer}
          count={layers}
          onPick={(picked) => useExpertsView.setState({ layer: picked })}
        />
      )}
    </div>
  );
}

export interface ShownAnswer {
  readonly id: string;
  readonly text: string;
  readonly generating: boolean;
}

interface View {
  readonly trace: ExpertTrace;
  readonly tokens: number;
  readonly answers: readonly ShownAnswer[];
}

function TabBody({ tab, trace, tokens, answers }: View & { readonly tab: ExpertTab }) {
  switch (tab) {
    case "Now":
      return <NowView trace={trace} tokens={tokens} />;
    case "Load":
      return <LoadView trace={trace} />;
    case "Repeats":
      return <RepeatsView trace={trace} />;
    case "Together":
      return <TogetherView trace={trace} tokens={tokens} />;
    case "Words": {
      const texts = answers.flatMap(({ id, text }) => {
        const traced = traceOf(id);
        return traced === null ? [] : [{ trace: traced, text }];
      });
      return <WordsView texts={texts} />;
    }
  }
}

function TraceTabs(view: View) {
  const tab = useExpertsView((state) => state.tab);
  return (
    <Tabs.Root
      value={tab}
      onValueChange={(value) => {
        const chosen = expertTabs.find((candidate) => candidate === value);
        if (chosen !== undefined) useExpertsView.setState({ tab: chosen });
      }}
      className="flex flex-col gap-3"
    >
      <Tabs.List aria-label="Expert views" className="flex gap-1 border-b border-line">
        {expertTabs.map((name) => (
          <Tabs.Trigger
            key={name}
            value={name}
            className="-mb-px border-b-2 border-transparent px-2 py-1.5 text-[13px] text-muted data-[state=active]:border-accent data-[state=active]:text-ink"
          >
            {name}
          </Tabs.Trigger>
        ))}
      </Tabs.List>
      <TokenColours layers={view.trace.moeLayers} />
      <Tabs.Content value={tab} className="flex flex-col gap-3">
        <TabBody tab={tab} {...view} />
      </Tabs.Content>
    </Tabs.Root>
  );
}

interface ExpertsPaneProps {
  readonly width: number;
  /** Answers of the shown thread, oldest first; the last one is what most views show. */
  readonly answers: readonly ShownAnswer[];
}

export function ExpertsPane({ width, answers }: ExpertsPaneProps) {
  const last = answers.at(-1);
  const { trace, tokens } = useTrace(last?.id ?? null, refreshesPerSecond);
  const empty =
    last === undefined || last.generating
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
        <TraceTabs trace={trace} tokens={tokens} answers={answers} />
      )}
    </aside>
  );
}
