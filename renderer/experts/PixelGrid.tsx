// Values 0..1 as a grid of coloured cells on a canvas. One canvas pixel per cell: the browser enlarges it to the screen's own
// pixels without blurring, whatever their density. A grid that moves is painted past React, and only where it changed.
import { useEffect, useImperativeHandle, useRef, type ComponentProps, type Ref } from "react";
import { useTheme } from "../platform/theme.ts";
import { rampPixels } from "./ramp.ts";

/** Of one grid; [rows * columns] values, 0..1. */
export type Paint = (values: ArrayLike<number>) => void;

interface PixelGridProps extends Omit<ComponentProps<"canvas">, "width" | "height" | "ref"> {
  readonly label: string;
  /** [rows * columns], 0..1. */
  readonly values: ArrayLike<number>;
  readonly columns: number;
  readonly rows: number;
  /** Of the whole grid, in px. */
  readonly height: number;
  /** For what changes more often than it is worth drawing the component. */
  readonly paint?: Ref<Paint>;
}

/** @param image what the canvas shows; changed with it. */
function paintChanged(
  context: CanvasRenderingContext2D,
  image: ImageData,
  values: ArrayLike<number>,
  colours: Uint32Array,
): void {
  const pixels = new Uint32Array(image.data.buffer);
  let [first, last] = [image.height, -1];
  for (let cell = 0; cell < pixels.length; cell++) {
    const place = Math.round(Math.min(1, Math.max(0, values[cell] ?? 0)) * (colours.length - 1));
    const colour = colours[place] ?? 0;
    if (pixels[cell] === colour) continue;
    pixels[cell] = colour;
    const row = Math.floor(cell / image.width);
    if (first > row) first = row;
    last = row;
  }
  if (last >= 0) context.putImageData(image, 0, 0, 0, first, image.width, last - first + 1);
}

export function PixelGrid({ label, values, columns, rows, height, paint, ...rest }: PixelGridProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const image = useRef<ImageData | null>(null);
  const theme = useTheme();

  const show = (shown: ArrayLike<number>): void => {
    const context = canvas.current?.getContext("2d") ?? null;
    if (context === null || columns === 0 || rows === 0) return;
    if (image.current?.width !== columns || image.current.height !== rows) {
      image.current = context.createImageData(columns, rows);
    }
    paintChanged(context, image.current, shown, rampPixels(theme));
  };
  useImperativeHandle(paint, () => show);
  // A canvas whose size is set is empty.
  useEffect(() => {
    image.current = null;
  }, [columns, rows]);
  // oxlint-disable-next-line react/exhaustive-deps
  useEffect(() => show(values), [values, columns, rows, theme]);

  return (
    <canvas
      ref={canvas}
      width={columns}
      height={rows}
      role="img"
      aria-label={label}
      className="block w-full rounded-md border border-line"
      style={{ height, imageRendering: "pixelated" }}
      {...rest}
    />
  );
}
