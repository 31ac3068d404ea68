// One token's experts: every layer's choices with their weights. Choosing an expert makes all its tokens stand out in the
// coloured answers.
import type { KeyboardEvent } from "react";
import { ChevronLeft, ChevronRight, X } from "lucide-react";
import { t } from "../i18n/texts.ts";
import { formatPercent } from "../ui/format.ts";
import { IconButton } from "../ui/IconButton.tsx";
import type { ExpertPlace, ExpertTrace } from "./expertTrace.ts";
import { chooseToken, useExpertsView } from "./expertsView.ts";
import { expertTint } from "./ramp.ts";

/** Moves the focus between the cells of a grid; one of them is a stop of the Tab key. */
function onGridKey(event: KeyboardEvent<HTMLTableElement>): void {
  const moves: Readonly<Record<string, readonly [number, number]>> = {
    ArrowLeft: [0, -1],
    ArrowRight: [0, 1],
    ArrowUp: [-1, 0],
    ArrowDown: [1, 0],
  };
  const move = moves[event.key];
  const from = event.target;
  if (move === undefined || !(from instanceof HTMLElement)) return;
  event.preventDefault();
  const [row, column] = [Number(from.dataset["row"]) + move[0], Number(from.dataset["column"]) + move[1]];
  event.currentTarget.querySelector<HTMLElement>(`[data-row="${row}"][data-column="${column}"]`)?.focus();
}

function ExpertCell({
  place,
  weight,
  column,
  stop,
}: {
  readonly place: ExpertPlace;
  readonly weight: number;
  readonly column: number;
  readonly stop: boolean;
}) {
  const pressed = useExpertsView(
    ({ highlight }) => highlight?.layer === place.layer && highlight.expert === place.expert,
  );
  return (
    <button
      type="button"
      aria-pressed={pressed}
      title={formatPercent(weight)}
      data-row={place.layer}
      data-column={column}
      tabIndex={stop ? 0 : -1}
      onClick={() =>
        useExpertsView.setState(
          pressed ? { highlight: null } : { highlight: place, layer: place.layer, colourTokens: true },
        )
      }
      className="flex w-full flex-col items-center rounded border border-transparent px-0.5 py-0.5 leading-tight hover:border-line aria-pressed:border-accent aria-pressed:font-semibold"
      style={{ background: expertTint(place.expert) }}
    >
      <span>
        <span className="sr-only">L{place.layer}</span> E{place.expert}
      </span>{" "}
      <span className="text-[10px]">
        {Math.round(weight * 100)}
        <span className="sr-only">{" %"}</span>
      </span>
    </button>
  );
}

function TokenGrid({ trace, token }: { readonly trace: ExpertTrace; readonly token: number }) {
  const shownLayer = useExpertsView((view) => view.layer);
  return (
    // The keys move between its buttons.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <table className="w-full table-fixed font-mono text-[11px]" onKeyDown={onGridKey}>
      <caption className="pb-1 text-left font-sans text-xs text-muted">{t("experts.tokenTable")}</caption>
      <tbody>
        {Array.from({ length: trace.moeLayers }, (_, layer) => (
          <tr key={layer} className={layer === shownLayer ? "bg-hover" : ""}>
            <th scope="row" className="w-9 px-1 text-left font-medium text-muted">
              L{layer}
            </th>
            {Array.from({ length: trace.expertsUsed }, (__, rank) => (
              <td key={rank} className="p-px">
                <ExpertCell
                  place={{ layer, expert: trace.expertAt(token, layer, rank) }}
                  weight={trace.weightAt(token, layer, rank)}
                  column={rank}
                  stop={layer === Math.min(shownLayer, trace.moeLayers - 1) && rank === 0}
                />
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Highlighted({ trace, place }: { readonly trace: ExpertTrace; readonly place: ExpertPlace }) {
  let taken = 0;
  for (let token = 0; token < trace.tokens; token++) if (trace.took(token, place)) taken += 1;
  return (
    <div className="flex items-start justify-between gap-2 rounded-md bg-hover px-2 py-1.5 text-xs">
      <p role="status">
        {t("experts.highlighted", {
          ...place,
          taken,
          tokens: trace.tokens,
          share: formatPercent(taken / trace.tokens),
          chance: formatPercent(trace.expertsUsed / trace.expertCount),
        })}
      </p>
      <IconButton label={t("experts.clearHighlight")} onClick={() => useExpertsView.setState({ highlight: null })}>
        <X size={14} aria-hidden />
      </IconButton>
    </div>
  );
}

interface TokensViewProps {
  readonly trace: ExpertTrace;
  /** Of the answer that `trace` belongs to. */
  readonly messageId: string;
  readonly text: string;
}

export function TokensView({ trace, messageId, text }: TokensViewProps) {
  const chosen = useExpertsView((view) => (view.chosen?.messageId === messageId ? view.chosen.token : null));
  const highlight = useExpertsView((view) => view.highlight);
  const token = chosen === null ? null : Math.min(chosen, trace.tokens - 1);
  const step = (by: number): void => {
    if (token !== null) chooseToken({ messageId, token: Math.max(0, Math.min(trace.tokens - 1, token + by)) });
  };
  return (
    <>
      {highlight !== null && highlight.layer < trace.moeLayers && <Highlighted trace={trace} place={highlight} />}
      {token === null ? (
        <p className="text-muted">{t("experts.chooseToken")}</p>
      ) : (
        <>
          <div className="flex items-center gap-1">
            <code className="min-w-0 flex-1 truncate rounded bg-hover px-1.5 py-0.5 text-[13px]">
              {JSON.stringify(text.slice(trace.textEndAt(token - 1), trace.textEndAt(token)))}
            </code>
            <span className="text-xs whitespace-nowrap text-muted">
              {t("experts.tokenNumber", { number: token + 1, total: trace.tokens })}
            </span>
            <IconButton label={t("experts.tokenBefore")} disabled={token === 0} onClick={() => step(-1)}>
              <ChevronLeft size={16} aria-hidden />
            </IconButton>
            <IconButton label={t("experts.tokenAfter")} disabled={token === trace.tokens - 1} onClick={() => step(1)}>
              <ChevronRight size={16} aria-hidden />
            </IconButton>
          </div>
          <TokenGrid trace={trace} token={token} />
        </>
      )}
    </>
  );
}
