// Layers x experts on a canvas: one cell per expert, darker for chosen more often. Redrawn when its counts change (the
// pane refreshes at most ten times a second); arrow keys and the pointer read single cells.
import { useState, type KeyboardEvent, type PointerEvent } from "react";
import { PixelGrid } from "./PixelGrid.tsx";

interface HeatMapProps {
  /** [layers * experts] */
  readonly counts: Float64Array;
  readonly layers: number;
  readonly experts: number;
  readonly used: number;
  /** Tokens that the counts cover. */
  readonly tokens: number;
  readonly logScale: boolean;
}

interface Cell {
  readonly layer: number;
  readonly expert: number;
}

const cellHeight = (layers: number): number => Math.max(3, Math.min(22, Math.floor(320 / Math.max(1, layers))));

/** Choices as places on the ramp, 0..1. Four times the uniform share is its end: no expert looks hotter than it reads. */
function rampPlaces({ counts, experts, used, tokens, logScale }: HeatMapProps): number[] {
  const ceiling = Math.min(1, (4 * used) / experts);
  return Array.from(counts, (count) => {
    const linear = tokens === 0 ? 0 : Math.min(1, count / tokens / ceiling);
    return logScale ? Math.log1p(linear * 50) / Math.log1p(50) : linear;
  });
}

export function HeatMap(props: HeatMapProps) {
  const { counts, layers, experts, used, tokens } = props;
  const [cell, setCell] = useState<Cell | null>(null);

  const onPointerMove = (event: PointerEvent<HTMLCanvasElement>): void => {
    const box = event.currentTarget.getBoundingClientRect();
    const expert = Math.floor(((event.clientX - box.left) / box.width) * experts);
    const layer = Math.floor(((event.clientY - box.top) / box.height) * layers);
    setCell({ layer: Math.min(layers - 1, Math.max(0, layer)), expert: Math.min(experts - 1, Math.max(0, expert)) });
  };
  const onKeyDown = (event: KeyboardEvent<HTMLCanvasElement>): void => {
    const moves: Readonly<Record<string, readonly [number, number]>> = {
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
    };
    const move = moves[event.key];
    if (move === undefined) return;
    event.preventDefault();
    const at = cell ?? { layer: 0, expert: 0 };
    setCell({
      layer: Math.min(layers - 1, Math.max(0, at.layer + move[0])),
      expert: Math.min(experts - 1, Math.max(0, at.expert + move[1])),
    });
  };

  const share = cell === null || tokens === 0 ? 0 : (counts[cell.layer * experts + cell.expert] ?? 0) / tokens;
  const readout =
    cell === null
      ? `${layers} layers × ${experts} experts`
      : `L${cell.layer} E${cell.expert}: ${(share * 100).toFixed(1)} %, ${((share * experts) / used).toFixed(1)}× uniform`;

  return (
    <div>
      <PixelGrid
        label={`Heat map of ${layers} layers by ${experts} experts over ${tokens} tokens`}
        values={rampPlaces(props)}
        columns={experts}
        rows={layers}
        height={layers * cellHeight(layers)}
        // Read cell by cell with the arrow keys; the line below says what is there.
        tabIndex={0}
        onPointerMove={onPointerMove}
        onPointerLeave={() => setCell(null)}
        onKeyDown={onKeyDown}
      />
      <p role="status" className="mt-1 font-mono text-xs text-muted">
        {readout}
      </p>
    </div>
  );
}
