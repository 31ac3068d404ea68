// Values 0..1 as a grid of coloured cells on a canvas. One canvas pixel per cell: the browser enlarges it to the screen's own
// pixels without blurring, whatever their density.
import { useEffect, useRef, type ComponentProps } from "react";
import { useTheme } from "../platform/theme.ts";
import { rampPixels } from "./ramp.ts";

interface PixelGridProps extends Omit<ComponentProps<"canvas">, "width" | "height"> {
  readonly label: string;
  /** [rows * columns], 0..1. */
  readonly values: ArrayLike<number>;
  readonly columns: number;
  readonly rows: number;
  /** Of the whole grid, in px. */
  readonly height: number;
}

export function PixelGrid({ label, values, columns, rows, height, ...rest }: PixelGridProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useTheme();

  useEffect(() => {
    const context = canvas.current?.getContext("2d") ?? null;
    if (context === null || columns === 0 || rows === 0) return;
    const image = context.createImageData(columns, rows);
    const pixels = new Uint32Array(image.data.buffer);
    const colours = rampPixels(theme);
    for (let cell = 0; cell < columns * rows; cell++) {
      const place = Math.round(Math.min(1, Math.max(0, values[cell] ?? 0)) * (colours.length - 1));
      pixels[cell] = colours[place] ?? 0;
    }
    context.putImageData(image, 0, 0);
  }, [values, columns, rows, theme]);

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
