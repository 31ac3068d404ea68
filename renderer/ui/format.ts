// Numbers and times as people read them, in the language of the page. Unit symbols are the international ones.
import { language } from "../i18n/texts.ts";

const kilo = 1000;
const sizeUnits = ["kilobyte", "megabyte", "gigabyte", "terabyte"];

const numberText = (value: number, options: Intl.NumberFormatOptions): string =>
  new Intl.NumberFormat(language(), options).format(value);

/** 4210000000 -> "4.21 GB" (decimal units, three significant digits). */
export function formatBytes(bytes: number): string {
  if (bytes < kilo) return `${Math.round(bytes)} B`;
  const power = Math.min(sizeUnits.length, Math.floor(Math.log10(bytes) / 3));
  return numberText(bytes / kilo ** power, {
    style: "unit",
    unit: sizeUnits[power - 1] ?? "terabyte",
    minimumSignificantDigits: 3,
    maximumSignificantDigits: 3,
  });
}

/** 30_500_000_000 -> "30.5B". Models are named so in every language. */
export function formatParameters(count: number): string {
  if (count >= 1e9) return `${Number((count / 1e9).toPrecision(3))}B`;
  if (count >= 1e6) return `${Number((count / 1e6).toPrecision(3))}M`;
  return String(count);
}

/** 7.4 -> "7 ms", 840 -> "0.84 s", 75_000 -> "1 min 15 s". */
export function formatDuration(ms: number): string {
  if (ms < 100) return `${Math.max(1, Math.round(ms))} ms`;
  if (ms < 10_000) return `${formatDecimal(ms / 1000, ms < 1000 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

export const formatCount = (count: number): string => numberText(count, {});

/** As precise as it is: a setting, not a measurement. */
export const formatNumber = (value: number): string => numberText(value, { maximumSignificantDigits: 15 });

/** With exactly so many digits after the decimal point. */
export const formatDecimal = (value: number, digits: number): string =>
  numberText(value, { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** 0.041 -> "4.1 %". */
export const formatPercent = (share: number, digits = 1): string => `${formatDecimal(share * 100, digits)} %`;

/** @param time ms since 1970. */
export const formatDateTime = (time: number): string =>
  new Intl.DateTimeFormat(language(), { dateStyle: "medium", timeStyle: "medium" }).format(time);

/** "November 2026" for a time in ms since 1970. */
export const formatMonth = (time: number): string =>
  new Intl.DateTimeFormat(language(), { month: "long", year: "numeric" }).format(time);

/** 812 -> "812", 5_310 -> "5.3k"; multiples of 1024 are read as contexts are: 32_768 -> "32k". */
export function formatTokens(count: number): string {
  if (count < 1000) return String(count);
  if (count % 1024 === 0 && count < 1_048_576) return `${count / 1024}k`;
  if (count < 10_000) return `${numberText(count / 1000, { maximumFractionDigits: 1 })}k`;
  if (count < 1_000_000) return `${Math.round(count / 1000)}k`;
  return `${numberText(count / 1_000_000, { maximumFractionDigits: 1 })}M`;
}
