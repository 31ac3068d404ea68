// Layers x experts on a canvas: one cell per expert, stronger for chosen more often. While an answer grows its cells are painted
// ten times a second, past React; arrow keys and the pointer read single cells.
import { useEffect, useMemo, useRef, useState, type KeyboardEvent, type PointerEvent, type RefObject } from "react";
import { t } from "../i18n/texts.ts";
import { formatDecimal, formatPercent } from "../ui/format.ts";
import type { Counted } from "./counted.ts";
import type { ExpertPlace } from "./expertTrace.ts";
import { PixelGrid, type Paint } from "./PixelGrid.tsx";
import { tierText } from "./tiers.ts";
import { onTraces } from "./traceStore.ts";

interface HeatMapProps {
  /** [layers * experts] */
  readonly counts: Float64Array;
  readonly layers: number;
  readonly experts: number;
  /** Experts per token; over answers that were steered differently, their mean. */
  readonly used: number;
  /** Tokens that the counts cover. */
  readonly tokens: number;
  readonly logScale: boolean;
  /** Of a layer at most, in px. */
  readonly tallest?: number;
  readonly label?: string;
  /** Of a growing answer: what is counted this moment. */
  readonly live?: () => Counted;
  /** [layers * experts] where each expert is; see tiers.ts. */
  readonly places?: Uint8Array;
}

const paintMs = 100;
const gridHeight = 320;
const tallestRow = 22;

const cellHeight = (layers: number, tallest: number): number =>
  Math.max(3, Math.min(tallest, Math.floor(gridHeight / Math.max(1, layers))));

type Placed = Pick<HeatMapProps, "counts" | "experts" | "used" | "tokens" | "logScale">;

/** Choices as places on the ramp, 0..1. Four times the uniform share is its end: no expert looks hotter than it reads. */
function rampPlaces({ counts, experts, used, tokens, logScale }: Placed): Float64Array {
  const ceiling = Math.min(1, (4 * used) / experts);
  return counts.map((count) => {
    const linear = tokens === 0 ? 0 : Math.min(1, count / tokens / ceiling);
    return logScale ? Math.log1p(linear * 50) / Math.log1p(50) : linear;
  });
}

/** "L12 E37: 4.1 %, 5.2× uniform" */
export const cellWords = ({ layer, expert }: ExpertPlace, share: number, uniform: number): string =>
  t("experts.cell", {
    layer,
    expert,
    share: formatPercent(share),
    times: formatDecimal(share / uniform, 1),
  });

const steps: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  PageUp: [-8, 0],
  PageDown: [8, 0],
  Home: [0, Number.NEGATIVE_INFINITY],
  End: [0, Number.POSITIVE_INFINITY],
};

function Cursor({ cell, layers, experts }: { cell: ExpertPlace; layers: number; experts: number }) {
  return (
    <span
      aria-hidden
      className="pointer-events-none absolute rounded-[1px] outline-2 outline-ink"
      style={{
        left: `${(cell.expert / experts) * 100}%`,
        top: `${(cell.layer / layers) * 100}%`,
        width: `${100 / experts}%`,
        height: `${100 / layers}%`,
      }}
    />
  );
}

/** Paints what is counted now, a little after traces grew. */
function useLivePaint(paint: RefObject<Paint | null>, { live, experts, logScale }: HeatMapProps): void {
  useEffect(() => {
    if (live === undefined) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const draw = (): void => {
      timer = undefined;
      const { counts, tokens, choices } = live();
      const used = choices / Math.max(1, tokens);
      paint.current?.(rampPlaces({ counts, experts, used, tokens, logScale }));
    };
    const stop = onTraces(() => {
      if (!document.hidden) timer ??= setTimeout(draw, paintMs);
    });
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [paint, live, experts, logScale]);
}

export function HeatMap(props: HeatMapProps) {
  const { counts, layers, experts, used, tokens, logScale, tallest = tallestRow } = props;
  const [cell, setCell] = useState<ExpertPlace | null>(null);
  // The totals of an answer grow in place: `tokens` says that they did.
  // oxlint-disable-next-line react/exhaustive-deps
  const places = useMemo(() => rampPlaces(props), [counts, experts, used, tokens, logScale]);
  const paint = useRef<Paint>(null);
  useLivePaint(paint, props);
  const place = (layer: number, expert: number): ExpertPlace => ({
    layer: Math.min(layers - 1, Math.max(0, layer)),
    expert: Math.min(experts - 1, Math.max(0, expert)),
  });

  const onPointerMove = (event: PointerEvent<HTMLCanvasElement>): void => {
    const box = event.currentTarget.getBoundingClientRect();
    const next = place(
      Math.floor(((event.clientY - box.top) / box.height) * layers),
      Math.floor(((event.clientX - box.left) / box.width) * experts),
    );
    setCell((known) => (known?.layer === next.layer && known.expert === next.expert ? known : next));
  };
  const onKeyDown = (event: KeyboardEvent<HTMLCanvasElement>): void => {
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const at = cell ?? { layer: 0, expert: 0 };
    setCell(place(at.layer + step[0], at.expert + step[1]));
  };

  const share = cell === null || tokens === 0 ? 0 : (counts[cell.layer * experts + cell.expert] ?? 0) / tokens;
  const words = (at: ExpertPlace): string =>
    [cellWords(at, share, used / experts), tierText(props.places?.[at.layer * experts + at.expert])]
      .filter((part) => part !== "")
      .join(" · ");
  return (
    <div>
      <div className="relative">
        <PixelGrid
          label={props.label ?? t("experts.heatMap", { layers, experts, tokens })}
          values={places}
          paint={paint}
          columns={experts}
          rows={layers}
          height={layers * cellHeight(layers, tallest)}
          // Read cell by cell with the arrow keys; the line below says what is there.
          tabIndex={0}
          onPointerMove={onPointerMove}
          onPointerLeave={() => setCell(null)}
          onBlur={() => setCell(null)}
          onKeyDown={onKeyDown}
        />
        {cell !== null && <Cursor cell={cell} layers={layers} experts={experts} />}
      </div>
      <p role="status" className="mt-1 font-mono text-xs text-muted">
        {cell === null ? t("experts.grid", { layers, experts }) : words(cell)}
      </p>
    </div>
  );
}
