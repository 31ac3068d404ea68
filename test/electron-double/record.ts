/**
 * What the double remembers for the test: every call that has no visible effect here (shell, menu, dialog, window chrome),
 * and the answers the test has prepared for dialogs.
 */
export type RecordedCall = { module: string; method: string; args: unknown[] };

const calls: RecordedCall[] = [];
const answers = new Map<string, unknown[]>();

/** Arguments are kept as plain data, so they can travel to the test process. */
export function record(module: string, method: string, args: readonly unknown[]): void {
  calls.push({ module, method, args: args.map((arg) => toPlain(arg, 0)) });
}

export function recordedCalls(): readonly RecordedCall[] {
  return calls;
}

export function answerNext(method: string, answer: unknown): void {
  answers.set(method, [...(answers.get(method) ?? []), answer]);
}

/** The next prepared answer of `method`, first in first out; undefined when the test prepared none. */
export function takeAnswer(method: string): unknown {
  return answers.get(method)?.shift();
}

function toPlain(value: unknown, depth: number): unknown {
  if (typeof value === "function") return "[function]";
  if (typeof value === "bigint" || typeof value === "symbol") return String(value);
  if (typeof value !== "object" || value === null) return value;
  if (depth > 8) return "[deep]";
  if (Array.isArray(value)) return value.map((item) => toPlain(item, depth + 1));
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Object.getPrototypeOf(value) !== Object.prototype) return `[${value.constructor.name}]`;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toPlain(item, depth + 1)]));
}
