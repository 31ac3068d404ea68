// Pure: answers sorted by what they are about, as far as a tag says so, and what the experts did in each.
import type { TopicTag, Topics, TraceChunk, TraceCounts } from "../contract/experts.ts";
import type { TracedAnswer } from "../db/expertTraces.ts";
import { addCounts, codeTokens, countTrace, emptyCounts, sameShape } from "./traceCounts.ts";

/** Topics that are given back; those with the fewest tokens are left out. */
const maxTopics = 24;

interface Tagged {
  readonly key: string;
  readonly name: string | null;
}

const tagOf: Readonly<Record<Exclude<TopicTag, "kind">, (answer: TracedAnswer) => Tagged>> = {
  conversation: ({ conversationId, title }) => ({ key: conversationId, name: title === "" ? null : title }),
  template: ({ template }) => ({ key: template?.templateId ?? "", name: template?.name ?? null }),
  folder: ({ folderId, folder }) => ({ key: folderId ?? "", name: folder }),
};

export interface TopicSorter {
  /** Answers of another shape than the first (an older file of the model) are left out. */
  add(this: void, answer: TracedAnswer, trace: TraceChunk): void;
  list(): Topics["topics"];
}

export function sortIntoTopics(by: TopicTag): TopicSorter {
  const topics = new Map<string, Tagged & { counts: TraceCounts }>();
  let first: TraceChunk | null = null;

  function count(tag: Tagged, trace: TraceChunk, wanted?: (token: number) => boolean): void {
    const topic = topics.get(tag.key) ?? { ...tag, counts: emptyCounts(trace) };
    const counted = countTrace(trace, wanted);
    if (counted.tokens > 0) topics.set(tag.key, { ...topic, counts: addCounts(topic.counts, counted) });
  }

  return {
    add(answer, trace) {
      first ??= trace;
      if (!sameShape(first, trace)) return;
      if (by !== "kind") {
        count(tagOf[by](answer), trace);
        return;
      }
      const isCode = codeTokens(trace, answer.text);
      count({ key: "code", name: "code" }, trace, (token) => isCode[token] === true);
      count({ key: "prose", name: null }, trace, (token) => isCode[token] !== true);
    },
    list: () => [...topics.values()].toSorted((a, b) => b.counts.tokens - a.counts.tokens).slice(0, maxTopics),
  };
}
