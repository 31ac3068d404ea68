// Layers x experts on a canvas: one cell per expert, darker for chosen more often. Redrawn when its counts change (the
// pane refreshes at most ten times a second); arrow keys and the pointer read single cells.
import { useEffect, useRef, useState, type KeyboardEvent, type PointerEvent } from "react";
import { useTheme } from "../platform/theme.ts";
import { rampColour } from "./ramp.ts";

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

function draw(canvas: HTMLCanvasElement, props: HeatMapProps, theme: "light" | "dark"): void {
  const { counts, layers, experts, tokens, used, logScale } = props;
  const context = canvas.getContext("2d");
  if (context === null) return;
  const image = context.createImageData(experts, layers);
  // Four times the uniform share is the end of the ramp: a hotter expert is not drawn hotter than it reads.
  const ceiling = Math.min(1, (4 * used) / experts);
  for (let cell = 0; cell < layers * experts; cell++) {
    const share = tokens === 0 ? 0 : (counts[cell] ?? 0) / tokens;
    const linear = Math.min(1, share / ceiling);
    const [red, green, blue] = rampColour(theme, logScale ? Math.log1p(linear * 50) / Math.log1p(50) : linear);
    image.data.set([red, green, blue, 255], cell * 4);
  }
  context.putImageData(image, 0, 0);
}

export function HeatMap(props: HeatMapProps) {
  const { counts, layers, experts, used, tokens } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useTheme();
  const [cell, setCell] = useState<Cell | null>(null);

  useEffect(() => {
    if (canvas.current !== null) draw(canvas.current, props, theme);
  });

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
      <canvas
        ref={canvas}
        width={experts}
        height={layers}
        // Read cell by cell with the arrow keys; the readout below is a live region.
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        role="img"
        aria-label={`Heat map of ${layers} layers by ${experts} experts over ${tokens} tokens`}
        onPointerMove={onPointerMove}
        onPointerLeave={() => setCell(null)}
        onKeyDown={onKeyDown}
        className="w-full rounded-md border border-line"
        style={{ height: layers * cellHeight(layers), imageRendering: "pixelated" }}
      />
      <p role="status" className="mt-1 font-mono text-xs text-muted">
        {readout}
      </p>
    </div>
  );
}
