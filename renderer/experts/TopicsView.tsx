// What the experts do by topic: the answers of the model told apart by a tag, two topics side by side, and how far apart all of
// them are. The distance that chance alone gives stands beside each, because short answers differ by chance.
import { useEffect, useMemo, useState } from "react";
import { topicTags, type Topics, type TraceCounts } from "../../electron/contract/experts.ts";
import { t } from "../i18n/texts.ts";
import type { Run } from "../../electron/contract/chat.ts";
import { client } from "../platform/client.ts";
import { formatDecimal } from "../ui/format.ts";
import { useExpertsView } from "./expertsView.ts";
import { ExportMenu } from "./ExportMenu.tsx";
import type { ExpertTrace } from "./expertTrace.ts";
import { FactTable } from "./FactTable.tsx";
import { HeatMap } from "./HeatMap.tsx";
import { jensenShannonByChance, layerDistances, mean } from "./statistics.ts";
import { topicsData, type TopicPair, type ViewData } from "./viewData.ts";

interface Topic {
  readonly key: string;
  readonly name: string;
  readonly of: TraceCounts;
  readonly counts: Float64Array;
}

const nameOf = (by: (typeof topicTags)[number], name: string | null): string =>
  by === "kind" ? t(name === null ? "experts.prose" : "experts.code") : (name ?? t(`experts.without-${by}`));

/** Read when the view opens and when an answer ends. */
function useTopics(modelId: string, by: (typeof topicTags)[number], growing: boolean): Topics | null {
  const [topics, setTopics] = useState<Topics | null>(null);
  useEffect(() => {
    let stale = false;
    const show = (found: Topics): void => {
      if (!stale) setTopics(found);
    };
    client.experts.getTopics({ by, modelId }).then(show, () => show({ topics: [], answers: 0, counted: 0 }));
    return () => {
      stale = true;
    };
  }, [modelId, by, growing]);
  return topics;
}

interface TopicPickerProps {
  readonly label: string;
  readonly topics: readonly Topic[];
  readonly chosen: Topic;
  onPick(key: string): void;
}

function TopicPicker({ label, topics, chosen, onPick }: TopicPickerProps) {
  return (
    <select
      aria-label={label}
      value={chosen.key}
      onChange={(event) => onPick(event.target.value)}
      className="h-7 w-full min-w-0 truncate rounded border border-line bg-raised px-1 text-[13px]"
    >
      {topics.map(({ key, name }) => (
        <option key={key} value={key}>
          {name}
        </option>
      ))}
    </select>
  );
}

function Side({ topic, label }: { readonly topic: Topic; readonly label: string }) {
  const logScale = useExpertsView((view) => view.logScale);
  const { moeLayers, expertCount, tokens, choices, answers } = topic.of;
  return (
    <div className="min-w-0">
      <HeatMap
        label={label}
        counts={topic.counts}
        layers={moeLayers}
        experts={expertCount}
        used={choices / tokens}
        tokens={tokens}
        logScale={logScale}
        tallest={12}
      />
      <p className="text-xs text-muted">{t("experts.topicSize", { tokens, answers })}</p>
    </div>
  );
}

interface ComparisonProps {
  readonly topics: readonly Topic[];
  readonly save: (pair: TopicPair) => ViewData;
}

function Comparison({ topics, save }: ComparisonProps) {
  const [keys, setKeys] = useState<readonly [string | null, string | null]>([null, null]);
  const find = (key: string | null, otherwise: number): Topic | undefined =>
    topics.find((topic) => topic.key === key) ?? topics[otherwise];
  const [one, other] = [find(keys[0], 0), find(keys[1], 1)];
  if (one === undefined || other === undefined) return null;
  const experts = one.of.expertCount;
  const distances = layerDistances(one.counts, other.counts, experts);
  const chance = jensenShannonByChance(experts, one.of.choices, other.of.choices);
  return (
    <>
      <div className="grid grid-cols-2 gap-2">
        <TopicPicker
          label={t("experts.oneTopic")}
          topics={topics}
          chosen={one}
          onPick={(key) => setKeys([key, other.key])}
        />
        <TopicPicker
          label={t("experts.otherTopic")}
          topics={topics}
          chosen={other}
          onPick={(key) => setKeys([one.key, key])}
        />
        <Side topic={one} label={t("experts.topicMap", { topic: one.name })} />
        <Side topic={other} label={t("experts.topicMap", { topic: other.name })} />
      </div>
      <div className="flex items-start gap-2">
        <p className="flex-1 text-[13px]">
          {t("experts.topicDistance", {
            distance: formatDecimal(mean(distances), 3),
            chance: formatDecimal(chance, 3),
          })}
        </p>
        <ExportMenu
          make={() =>
            save({
              one: one.name,
              other: other.name,
              tokensOne: one.of.tokens,
              tokensOther: other.of.tokens,
              distances,
              chance,
            })
          }
        />
      </div>
      <FactTable
        caption={t("experts.distanceTable")}
        head={[t("experts.layer"), t("experts.distance"), t("experts.timesChance")]}
        rows={distances.map((distance, layer) => [
          `L${layer}`,
          formatDecimal(distance, 3),
          chance === 0 ? "–" : formatDecimal(distance / chance, 1),
        ])}
      />
    </>
  );
}

/** Every pair of topics, farthest first. */
function pairRows(topics: readonly Topic[]): string[][] {
  const pairs = topics.flatMap((one, index) =>
    topics.slice(index + 1).map((other) => ({
      names: `${one.name} ↔ ${other.name}`,
      distance: mean(layerDistances(one.counts, other.counts, one.of.expertCount)),
      chance: jensenShannonByChance(one.of.expertCount, one.of.choices, other.of.choices),
    })),
  );
  return pairs
    .toSorted((a, b) => b.distance - a.distance)
    .slice(0, 10)
    .map(({ names, distance, chance }) => [names, formatDecimal(distance, 3), formatDecimal(chance, 3)]);
}

interface TopicsViewProps {
  readonly model: Pick<Run, "modelId" | "modelName">;
  readonly trace: ExpertTrace;
  /** An answer is being written: its topic counts it when it ends. */
  readonly growing: boolean;
}

export function TopicsView({ model, trace, growing }: TopicsViewProps) {
  const by = useExpertsView((view) => view.topicTag);
  const found = useTopics(model.modelId, by, growing);
  const topics = useMemo(
    () =>
      (found?.topics ?? []).map(({ key, name, counts }) => ({
        key,
        name: nameOf(by, name),
        of: counts,
        counts: Float64Array.from(counts.counts),
      })),
    [found, by],
  );
  return (
    <>
      <label className="flex items-center gap-2 text-[13px] text-muted">
        {t("experts.topicsBy")}
        <select
          value={by}
          onChange={(event) => {
            const tag = topicTags.find((candidate) => candidate === event.target.value);
            if (tag !== undefined) useExpertsView.setState({ topicTag: tag });
          }}
          className="rounded border border-line bg-raised px-1 py-0.5 text-ink"
        >
          {topicTags.map((tag) => (
            <option key={tag} value={tag}>
              {t(`experts.by-${tag}`)}
            </option>
          ))}
        </select>
      </label>
      {found !== null && topics.length < 2 && <p className="text-muted">{t(`experts.oneTopicOnly-${by}`)}</p>}
      <Comparison
        key={by}
        topics={topics}
        save={(pair) => topicsData({ model: model.modelName, trace, text: "" }, by, pair)}
      />
      {topics.length > 2 && (
        <FactTable
          caption={t("experts.pairsTable")}
          head={[t("experts.pair"), t("experts.distance"), t("experts.byChance")]}
          rows={pairRows(topics)}
        />
      )}
      {found !== null && found.counted < found.answers && (
        <p className="text-xs text-muted">
          {t("experts.newestOnly", { counted: found.counted, total: found.answers })}
        </p>
      )}
    </>
  );
}
