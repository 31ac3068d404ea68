// An answer as plain text, each token tinted by its first-choice expert of the chosen layer (Mixtral, arXiv 2401.04088,
// figure 8). Consecutive tokens that look the same share a span, so that a long answer stays light; which token was clicked is
// read from the place in the text. One stop of the Tab key: the arrow keys go from token to token and from layer to layer.
import { useEffect, useMemo, useRef, type KeyboardEvent, type MouseEvent } from "react";
import { t } from "../i18n/texts.ts";
import { formatPercent } from "../ui/format.ts";
import type { ExpertPlace, ExpertTrace } from "./expertTrace.ts";
import { chooseToken, useExpertsView } from "./expertsView.ts";
import { expertTint } from "./ramp.ts";
import { useTrace } from "./useTrace.ts";

const refreshesPerSecond = 10;

interface Stretch {
  readonly start: number;
  readonly text: string;
  /** First choice of its tokens; -1 past the trace. */
  readonly expert: number;
  readonly chosen: boolean;
  /** Holds tokens that the highlighted expert took. */
  readonly marked: boolean;
}

interface Emphasis {
  readonly chosen?: number | null;
  readonly highlight?: ExpertPlace | null;
}

/** Cuts the text into stretches of tokens that look the same; text past the trace has expert -1. */
export function stretches(
  trace: ExpertTrace | null,
  layer: number,
  text: string,
  { chosen = null, highlight = null }: Emphasis = {},
): Stretch[] {
  const result: (Omit<Stretch, "text"> & { end: number })[] = [];
  let at = 0;
  const add = (length: number, own: Pick<Stretch, "expert" | "chosen" | "marked">): void => {
    const last = result.at(-1);
    const same = last?.expert === own.expert && last.chosen === own.chosen && last.marked === own.marked;
    if (last !== undefined && same) last.end += length;
    else if (length > 0) result.push({ ...own, start: at, end: at + length });
    at += length;
  };
  for (let token = 0; trace !== null && token < trace.tokens && at < text.length; token++) {
    add(Math.min(trace.textLengthAt(token), text.length - at), {
      expert: trace.expertAt(token, layer, 0),
      chosen: token === chosen,
      marked: highlight !== null && trace.took(token, highlight),
    });
  }
  add(text.length - at, { expert: -1, chosen: false, marked: false });
  return result.map(({ end, ...stretch }) => ({ ...stretch, text: text.slice(stretch.start, end) }));
}

/** The character under the pointer; a caret is between two. */
function characterAt(node: Node, caret: number, x: number, y: number): number {
  const range = document.createRange();
  for (const index of [caret - 1, caret]) {
    if (index < 0 || index >= (node.textContent?.length ?? 0)) continue;
    range.setStart(node, index);
    range.setEnd(node, index + 1);
    const inside = (box: DOMRect): boolean => x >= box.left && x <= box.right && y >= box.top && y <= box.bottom;
    if ([...range.getClientRects()].some(inside)) return index;
  }
  return caret;
}

/** Where in the answer a click fell; null: not on a word. */
function textOffsetOf({ clientX, clientY, target }: MouseEvent): number | null {
  const start = target instanceof HTMLElement ? target.dataset["start"] : undefined;
  if (start === undefined) return null;
  const caret = document.caretPositionFromPoint(clientX, clientY);
  if (caret === null) return Number(start);
  return Number(start) + characterAt(caret.offsetNode, caret.offset, clientX, clientY);
}

/** One token in words: its place, its text, and its experts in a layer. */
function describe(trace: ExpertTrace, token: number, layer: number, text: string): string {
  const own = text.slice(trace.textEndAt(token - 1), trace.textEndAt(token));
  const experts = Array.from(
    { length: trace.expertsUsed },
    (_, rank) => `E${trace.expertAt(token, layer, rank)} ${formatPercent(trace.weightAt(token, layer, rank))}`,
  );
  return t("experts.tokenInWords", {
    number: token + 1,
    total: trace.tokens,
    text: JSON.stringify(own),
    layer,
    experts: experts.join(", "),
  });
}

const looks = {
  chosen: "rounded-sm outline-2 outline-accent",
  marked: "underline decoration-2 underline-offset-3",
} as const;

function look({ expert, chosen, marked }: Stretch, highlighting: boolean): { className: string; background: string } {
  const className = [
    chosen ? looks.chosen : "",
    marked ? looks.marked : "",
    highlighting && !marked ? "opacity-70" : "",
  ];
  return { className: className.join(" ").trim(), background: highlighting && !marked ? "none" : expertTint(expert) };
}

export function ColouredText({ messageId, text }: { readonly messageId: string; readonly text: string }) {
  const { trace, tokens } = useTrace(messageId, refreshesPerSecond);
  const layer = Math.min(
    useExpertsView((view) => view.layer),
    (trace?.moeLayers ?? 1) - 1,
  );
  const chosen = useExpertsView((view) => (view.chosen?.messageId === messageId ? view.chosen.token : null));
  const highlight = useExpertsView((view) => view.highlight);
  const parts = useMemo(
    () => stretches(trace, layer, text, { chosen, highlight }),
    // `tokens` stands for the trace's growth, which its identity does not show.
    // oxlint-disable-next-line react/exhaustive-deps
    [trace, tokens, layer, text, chosen, highlight],
  );
  const chosenSpan = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    if (chosen !== null) chosenSpan.current?.scrollIntoView({ block: "nearest" });
  }, [chosen]);

  const onClick = (event: MouseEvent): void => {
    const offset = textOffsetOf(event);
    const token = offset === null || trace === null ? null : trace.tokenAtText(offset);
    if (token !== null) chooseToken({ messageId, token });
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (trace === null || tokens === 0) return;
    const choose = (token: number): void =>
      chooseToken({ messageId, token: Math.max(0, Math.min(trace.tokens - 1, token)) });
    const see = (wanted: number): void =>
      useExpertsView.setState({ layer: Math.max(0, Math.min(trace.moeLayers - 1, wanted)) });
    const moves: Readonly<Record<string, () => void>> = {
      ArrowLeft: () => choose((chosen ?? 1) - 1),
      ArrowRight: () => choose((chosen ?? -1) + 1),
      Home: () => choose(0),
      End: () => choose(trace.tokens - 1),
      ArrowUp: () => see(layer - 1),
      ArrowDown: () => see(layer + 1),
      ...(chosen === null && highlight === null
        ? {}
        : { Escape: () => useExpertsView.setState({ chosen: null, highlight: null }) }),
    };
    const move = moves[event.key];
    if (move === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    move();
  };

  return (
    // A reading place with a key of its own for each direction; the live line at its end says what was chosen.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <div
      role="group"
      aria-label={t("experts.answerByToken")}
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={0}
      onClick={onClick}
      onKeyDown={onKeyDown}
    >
      <p data-testid="coloured-text" className="text-base leading-relaxed wrap-anywhere whitespace-pre-wrap">
        {parts.map((part) => {
          if (part.expert < 0) return <span key={part.start}>{part.text}</span>;
          const { className, background } = look(part, highlight !== null);
          return (
            <span
              key={part.start}
              ref={part.chosen ? chosenSpan : undefined}
              data-expert={part.expert}
              data-start={part.start}
              data-marked={part.marked || undefined}
              title={t("experts.place", { layer, expert: part.expert })}
              className={className}
              style={{ background }}
            >
              {part.text}
            </span>
          );
        })}
      </p>
      <span role="status" className="sr-only">
        {trace !== null && chosen !== null && chosen < tokens ? describe(trace, chosen, layer, text) : ""}
      </span>
    </div>
  );
}
