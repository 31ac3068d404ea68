// A message's trace for a component, seen as soon as it begins, refreshed at most `perSecond` times (more often at first, when each
// token changes the figures most), and not at all while the page is hidden.
import { useEffect, useState } from "react";
import type { ExpertTrace } from "./expertTrace.ts";
import { onTraces, traceOf } from "./traceStore.ts";

const firstPauseMs = 100;

interface Seen {
  readonly trace: ExpertTrace | null;
  readonly tokens: number;
}

export function useTrace(messageId: string | null, perSecond: number): Seen {
  const [seen, setSeen] = useState<Seen>({ trace: null, tokens: 0 });
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | null = null;
    let begun = false;
    let pauseMs = firstPauseMs;
    const refresh = (): void => {
      timer = null;
      const trace = messageId === null ? null : traceOf(messageId);
      const tokens = trace?.tokens ?? 0;
      begun = tokens > 0;
      setSeen((before) => (before.trace === trace && before.tokens === tokens ? before : { trace, tokens }));
    };
    const schedule = (): void => {
      if (document.hidden) return;
      if (!begun) refresh();
      else if (timer === null) {
        timer = setTimeout(refresh, Math.min(pauseMs, 1000 / perSecond));
        pauseMs *= 2;
      }
    };
    refresh();
    const stop = onTraces(schedule);
    document.addEventListener("visibilitychange", schedule);
    return () => {
      stop();
      document.removeEventListener("visibilitychange", schedule);
      if (timer !== null) clearTimeout(timer);
    };
  }, [messageId, perSecond]);
  return seen;
}
