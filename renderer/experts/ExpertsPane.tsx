// The live expert panel: which experts answered, as a heat map, in numbers and on the words themselves.
import { Tabs } from "radix-ui";
import { memo, type ReactNode } from "react";
import type { Run } from "../../electron/contract/chat.ts";
import { t } from "../i18n/texts.ts";
import { ExportMenu } from "./ExportMenu.tsx";
import { dataOfTab, earlierAnswers } from "./exportView.ts";
import type { ExpertTrace } from "./expertTrace.ts";
import { expertTabs, useExpertsView, type ExpertTab } from "./expertsView.ts";
import { LoadView } from "./LoadView.tsx";
import { NowView } from "./NowView.tsx";
import { NumberPicker } from "./NumberPicker.tsx";
import { PlacesView } from "./PlacesView.tsx";
import { RepeatsView } from "./RepeatsView.tsx";
import { SteerView } from "./SteerView.tsx";
import { TogetherView } from "./TogetherView.tsx";
import { TokensView } from "./TokensView.tsx";
import { TopicsView } from "./TopicsView.tsx";
import { TraceStorage } from "./TraceStorage.tsx";
import { traceOf } from "./traceStore.ts";
import { useTrace } from "./useTrace.ts";
import { WordsView } from "./WordsView.tsx";

/** The heat map moves more often; numbers that change so fast cannot be read, and cost more to draw. */
const refreshesPerSecond = 1;

function TokenColours({ layers, children }: { readonly layers: number; readonly children: ReactNode }) {
  const { colourTokens, layer } = useExpertsView();
  return (
    <div className="flex min-h-7 items-center gap-2 border-b border-line pb-3 text-[13px]">
      <label className="flex flex-1 items-center gap-2">
        <input
          type="checkbox"
          checked={colourTokens}
          onChange={(event) => useExpertsView.setState({ colourTokens: event.target.checked })}
        />
        {t("experts.colourTokens")}
      </label>
      {colourTokens && (
        <NumberPicker
          label={t("experts.layer")}
          value={layer}
          count={layers}
          onPick={(picked) => useExpertsView.setState({ layer: picked })}
        />
      )}
      {children}
    </div>
  );
}

export interface ShownAnswer {
  readonly id: string;
  readonly text: string;
  readonly generating: boolean;
  readonly conversationId: string;
  /** null: written by hand. */
  readonly run: Run | null;
}

interface View {
  readonly trace: ExpertTrace;
  readonly answers: readonly ShownAnswer[];
}

/** The answer whose token was clicked; else the last one. */
function ChosenAnswer({ trace, answers }: View) {
  const chosen = useExpertsView((view) => view.chosen);
  const last = answers.at(-1);
  const answer = answers.find(({ id }) => id === chosen?.messageId) ?? last;
  const { trace: own } = useTrace(answer?.id ?? null, refreshesPerSecond);
  if (answer === undefined) return null;
  return <TokensView trace={answer === last ? trace : (own ?? trace)} messageId={answer.id} text={answer.text} />;
}

function TabBody({ tab, ...view }: View & { readonly tab: ExpertTab }) {
  const { trace, answers } = view;
  const { tokens } = useTrace(answers.at(-1)?.id ?? null, refreshesPerSecond);
  switch (tab) {
    case "now":
      return (
        <NowView
          trace={trace}
          tokens={tokens}
          earlier={earlierAnswers(answers)}
          modelId={answers.at(-1)?.run?.modelId}
        />
      );
    case "tokens":
      return <ChosenAnswer {...view} />;
    case "load":
      return <LoadView trace={trace} />;
    case "repeats":
      return <RepeatsView trace={trace} />;
    case "together":
      return <TogetherView trace={trace} tokens={tokens} />;
    case "words": {
      const texts = answers.flatMap(({ id, text }) => {
        const traced = traceOf(id);
        return traced === null ? [] : [{ trace: traced, text }];
      });
      return <WordsView texts={texts} />;
    }
    case "topics": {
      const last = answers.at(-1);
      return last?.run == null ? null : <TopicsView model={last.run} trace={trace} growing={last.generating} />;
    }
    case "places":
      return <PlacesView trace={trace} modelId={answers.at(-1)?.run?.modelId} />;
    case "steer": {
      const last = answers.at(-1);
      if (last?.run == null) return null;
      const { id, run, conversationId, generating } = last;
      return <SteerView conversationId={conversationId} answer={{ id, run }} growing={generating} />;
    }
  }
}

const TraceTabs = memo(function TraceTabs(view: View) {
  const tab = useExpertsView((state) => state.tab);
  const make = dataOfTab[tab];
  return (
    <Tabs.Root
      value={tab}
      onValueChange={(value) => {
        const chosen = expertTabs.find((candidate) => candidate === value);
        if (chosen === undefined) return;
        useExpertsView.setState(chosen === "tokens" ? { tab: chosen, colourTokens: true } : { tab: chosen });
      }}
      className="flex flex-col gap-3"
    >
      <Tabs.List aria-label={t("experts.views")} className="flex flex-wrap gap-x-0.5 gap-y-1 border-b border-line pb-2">
        {expertTabs.map((name) => (
          <Tabs.Trigger
            key={name}
            value={name}
            className="rounded-md px-2 py-1 text-[13px] text-muted hover:text-ink data-[state=active]:bg-hover data-[state=active]:font-medium data-[state=active]:text-ink"
          >
            {t(`experts.tab-${name}`)}
          </Tabs.Trigger>
        ))}
      </Tabs.List>
      <TokenColours layers={view.trace.moeLayers}>
        {make !== null && <ExportMenu make={() => make(view)} />}
      </TokenColours>
      <Tabs.Content value={tab} className="flex flex-col gap-3">
        <TabBody tab={tab} {...view} />
      </Tabs.Content>
    </Tabs.Root>
  );
});

interface ExpertsPaneProps {
  readonly width: number;
  /** Answers of the shown thread, oldest first; the last one is what most views show. */
  readonly answers: readonly ShownAnswer[];
}

export function ExpertsPane({ width, answers }: ExpertsPaneProps) {
  const last = answers.at(-1);
  const { trace, tokens } = useTrace(last?.id ?? null, refreshesPerSecond);
  const empty = last === undefined || last.generating ? t("experts.noneYet") : t("experts.noTrace");
  return (
    <aside
      aria-label={t("experts.title")}
      style={{ width }}
      className="flex h-full shrink-0 flex-col gap-3 overflow-y-auto border-l border-line bg-surface p-3 contain-content"
    >
      <h2 className="text-sm font-semibold">{t("experts.title")}</h2>
      {trace === null || tokens === 0 ? (
        <p className="text-muted">{empty}</p>
      ) : (
        <TraceTabs trace={trace} answers={answers} />
      )}
      {last !== undefined && <TraceStorage conversationId={last.conversationId} growing={last.generating} />}
    </aside>
  );
}
