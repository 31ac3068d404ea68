// The words that one expert takes more often than chance, over the answers of the shown conversation.
import { useExpertsView } from "./expertsView.ts";
import { FactTable, percent } from "./FactTable.tsx";
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
          label="Layer"
          value={layer}
          count={shape.moeLayers}
          onPick={(picked) => useExpertsView.setState({ layer: picked })}
        />
        <NumberPicker
          label="Expert"
          value={expert}
          count={shape.expertCount}
          onPick={(picked) => useExpertsView.setState({ expert: picked })}
        />
      </div>
      {words.length === 0 ? (
        <p className="text-muted">No word was written {atLeast} times yet in this conversation.</p>
      ) : (
        <FactTable
          caption={`Share of a word's tokens that went to this expert (chance ${percent(chance)}); words written at least ${atLeast} times`}
          head={["Word", "Written", "Share", "× chance"]}
          rows={words
            .slice(0, tableRows)
            .map(({ word, seen, share }) => [
              JSON.stringify(word),
              String(seen),
              percent(share),
              (share / chance).toFixed(1),
            ])}
        />
      )}
    </>
  );
}
