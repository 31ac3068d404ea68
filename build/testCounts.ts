// What a test stage reports: three numbers, and the one line they are written as. Every native test program and `npm test`
// itself end with that line.

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export const none: Counts = { passed: 0, failed: 0, skipped: 0 };

export function add(a: Counts, b: Counts): Counts {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped };
}

export function countsLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/** Reads such a line; null when it is anything else. */
export function parseCountsLine(line: string): Counts | null {
  const match = /^(\d+) passed, (\d+) failed, (\d+) skipped$/.exec(line.trim());
  if (match === null) return null;
  return { passed: Number(match[1]), failed: Number(match[2]), skipped: Number(match[3]) };
}
