// Values 0..1 as a grid of coloured cells on a canvas, sharp at every size.
import { useEffect, useRef, type ComponentProps } from "react";
import { useTheme } from "../platform/theme.ts";
import { rampColour } from "./ramp.ts";

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
    for (let cell = 0; cell < columns * rows; cell++) {
      image.data.set([...rampColour(theme, values[cell] ?? 0), 255], cell * 4);
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
      className="w-full rounded-md border border-line"
      style={{ height, imageRendering: "pixelated" }}
      {...rest}
    />
  );
}
