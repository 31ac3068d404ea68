// Which words an expert takes more often than experts do on average (OLMoE's vocabulary specialisation, arXiv 2409.02060
// section 5.4: N(x, E) / N(x), over words seen often enough to mean anything). Pure.
import type { ExpertTrace } from "./expertTrace.ts";

export interface TracedText {
  readonly trace: ExpertTrace;
  readonly text: string;
}

export interface WordShare {
  readonly word: string;
  /** Times the word was written. */
  readonly seen: number;
  /** Share of those whose top k held the expert; chance is k / E. */
  readonly share: number;
}

/** The words (answer tokens as text) that went to `expert` of `layer` most, of those seen at least `atLeast` times. */
export function wordsOf(texts: readonly TracedText[], layer: number, expert: number, atLeast: number): WordShare[] {
  const seen = new Map<string, { seen: number; taken: number }>();
  for (const { trace, text } of texts) {
    let at = 0;
    for (let token = 0; token < trace.tokens; token++) {
      const length = trace.textLengthAt(token);
      const word = text.slice(at, at + length);
      at += length;
      if (word === "") continue;
      const entry = seen.get(word) ?? { seen: 0, taken: 0 };
      entry.seen += 1;
      for (let rank = 0; rank < trace.expertsUsed; rank++) {
        if (trace.expertAt(token, layer, rank) === expert) entry.taken += 1;
      }
      seen.set(word, entry);
    }
  }
  return [...seen]
    .filter(([, entry]) => entry.seen >= atLeast && entry.taken > 0)
    .map(([word, entry]) => ({ word, seen: entry.seen, share: entry.taken / entry.seen }))
    .toSorted((a, b) => b.share - a.share || b.seen - a.seen);
}
