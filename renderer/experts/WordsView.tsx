// The words that one expert takes more often than chance, over the answers of the shown conversation.
import { t } from "../i18n/texts.ts";
import { formatCount, formatDecimal, formatPercent } from "../ui/format.ts";
import { useExpertsView } from "./expertsView.ts";
import { FactTable } from "./FactTable.tsx";
import { NumberPicker } from "./NumberPicker.tsx";
import { wordsOf, type TracedText } from "./words.ts";

/** OLMoE counts tokens seen at least ten times; a short conversation has few of those, so the threshold is shown. */
const atLeast = 10;
const tableRows = 15;

export function WordsView({ texts }: { readonly texts: readonly TracedText[] }) {
  const { layer, expert } = useExpertsView();
  const shape = texts[0]?.trace;
  if (shape === undefined) return null;
  const words = wordsOf(texts, Math.min(layer, shape.moeLayers - 1), Math.min(expert, shape.expertCount - 1), atLeast);
  const chance = shape.expertsUsed / shape.expertCount;
  return (
    <>
      <div className="flex gap-3">
        <NumberPicker
          label={t("experts.layer")}
          value={layer}
          count={shape.moeLayers}
          onPick={(picked) => useExpertsView.setState({ layer: picked })}
        />
        <NumberPicker
          label={t("experts.expert")}
          value={expert}
          count={shape.expertCount}
          onPick={(picked) => useExpertsView.setState({ expert: picked })}
        />
      </div>
      {words.length === 0 ? (
        <p className="text-muted">{t("experts.noWords", { times: atLeast })}</p>
      ) : (
        <FactTable
          caption={t("experts.wordsTable", { chance: formatPercent(chance), times: atLeast })}
          head={[t("experts.word"), t("experts.written"), t("experts.share"), t("experts.timesChance")]}
          rows={words
            .slice(0, tableRows)
            .map(({ word, seen, share }) => [
              JSON.stringify(word),
              formatCount(seen),
              formatPercent(share),
              formatDecimal(share / chance, 1),
            ])}
        />
      )}
    </>
  );
}
