// Numbers and times as people read them.

const kilo = 1000;
const sizeUnits = ["B", "kB", "MB", "GB", "TB"];

/** 4210000000 -> "4.21 GB" (decimal units, three significant digits). */
export function formatBytes(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(sizeUnits.length - 1, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / kilo ** power;
  return `${power === 0 ? String(Math.round(value)) : value.toPrecision(3)} ${sizeUnits[power] ?? "TB"}`;
}

/** 30_500_000_000 -> "30.5B". */
export function formatParameters(count: number): string {
  if (count >= 1e9) return `${Number((count / 1e9).toPrecision(3))}B`;
  if (count >= 1e6) return `${Number((count / 1e6).toPrecision(3))}M`;
  return String(count);
}

/** 7.4 -> "7 ms", 840 -> "0.84 s", 75_000 -> "1 min 15 s". */
export function formatDuration(ms: number): string {
  if (ms < 100) return `${Math.max(1, Math.round(ms))} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(ms < 1000 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

export const formatCount = (count: number): string => count.toLocaleString("en-US");

/** 812 -> "812", 5_310 -> "5.3k"; multiples of 1024 are read as contexts are: 32_768 -> "32k". */
export function formatTokens(count: number): string {
  if (count < 1000) return String(count);
  if (count % 1024 === 0 && count < 1_048_576) return `${count / 1024}k`;
  if (count < 10_000) return `${(count / 1000).toFixed(1).replace(/\.0$/, "")}k`;
  if (count < 1_000_000) return `${Math.round(count / 1000)}k`;
  return `${(count / 1_000_000).toFixed(1).replace(/\.0$/, "")}M`;
}
