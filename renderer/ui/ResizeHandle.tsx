// A vertical edge that changes the width of the pane beside it, by pointer or arrow keys.
import { useRef, type KeyboardEvent, type PointerEvent } from "react";

interface ResizeHandleProps {
  readonly label: string;
  readonly width: number;
  readonly min: number;
  readonly max: number;
  /** +1: the pane lies left of the handle, -1: right of it. */
  readonly direction: 1 | -1;
  onResize(width: number): void;
}

const stepPx = 16;

export function ResizeHandle({ label, width, min, max, direction, onResize }: ResizeHandleProps) {
  const start = useRef<{ x: number; width: number } | null>(null);
  const clamp = (value: number): number => Math.round(Math.min(max, Math.max(min, value)));

  const onPointerDown = (event: PointerEvent<HTMLDivElement>): void => {
    start.current = { x: event.clientX, width };
    event.currentTarget.setPointerCapture(event.pointerId);
  };
  const onPointerMove = (event: PointerEvent<HTMLDivElement>): void => {
    if (start.current === null) return;
    onResize(clamp(start.current.width + direction * (event.clientX - start.current.x)));
  };
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>): void => {
    const sign = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (sign === 0) return;
    event.preventDefault();
    onResize(clamp(width + direction * sign * stepPx));
  };

  return (
    // A focusable separator is a widget (ARIA 1.2, window splitter).
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <div
      role="separator"
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={0}
      aria-label={label}
      aria-orientation="vertical"
      aria-valuenow={width}
      aria-valuemin={min}
      aria-valuemax={max}
      className="w-1 shrink-0 cursor-col-resize bg-transparent hover:bg-line focus-visible:bg-accent"
      onPointerDown={onPointerDown}
      onPointerMove={onPointerMove}
      onPointerUp={() => {
        start.current = null;
      }}
      onKeyDown={onKeyDown}
    />
  );
}
