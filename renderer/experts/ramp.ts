// Colours of the panel: a sequential ramp for shares and distinct hues for experts.

type Rgb = readonly [number, number, number];

/** Five stops of perceptually even lightness from the canvas colour to the strongest; readable with every colour vision. */
const ramps: Readonly<Record<"light" | "dark", readonly Rgb[]>> = {
  light: [
    [242, 241, 247],
    [196, 196, 232],
    [134, 138, 214],
    [91, 69, 201],
    [44, 12, 110],
  ],
  dark: [
    [34, 35, 43],
    [62, 50, 120],
    [104, 84, 196],
    [168, 152, 255],
    [246, 232, 180],
  ],
};

/** `value` 0..1 -> red, green, blue 0..255. */
export function rampColour(theme: "light" | "dark", value: number): Rgb {
  const stops = ramps[theme];
  const position = Math.min(Math.max(value, 0), 1) * (stops.length - 1);
  const index = Math.min(Math.floor(position), stops.length - 2);
  const [from, to] = [stops[index] ?? stops[0], stops[index + 1] ?? stops[0]];
  if (from === undefined || to === undefined) return [0, 0, 0];
  const mix = (a: number, b: number): number => Math.round(a + (b - a) * (position - index));
  return [mix(from[0], to[0]), mix(from[1], to[1]), mix(from[2], to[2])];
}

/** A hue per expert, spread by the golden angle so that neighbours differ; a tint, so text on it stays readable. */
export const expertTint = (expert: number): string => `hsl(${(expert * 137.508) % 360} 70% 55% / 0.28)`;

const rampSteps = 256;
const rampTables = new Map<"light" | "dark", Uint32Array>();

/** The ramp as pixels of an ImageData, from 0 to 1. */
export function rampPixels(theme: "light" | "dark"): Uint32Array {
  const known = rampTables.get(theme);
  if (known !== undefined) return known;
  const bytes = Uint8Array.from({ length: rampSteps }, (_, step) => step).reduce(
    (table, step) => {
      table.set([...rampColour(theme, step / (rampSteps - 1)), 255], step * 4);
      return table;
    },
    new Uint8Array(rampSteps * 4),
  );
  const table = new Uint32Array(bytes.buffer);
  rampTables.set(theme, table);
  return table;
}
