// Where the page's time goes while something happens, from Chromium's own trace: our scripts, style and layout, painting, and
// what the drawing of pixels takes on other threads, which a machine with a GPU does not pay.
import type { Browser, Page } from "@playwright/test";

interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  /** µs */
  readonly ts: number;
  readonly dur?: number;
}

const kinds = {
  script:
    /^(?:FunctionCall|EvaluateScript|FireAnimationFrame|FireIdleCallback|TimerFire|EventDispatch|RunMicrotasks|v8\.\w+)$/,
  collection: /^(?:MinorGC|MajorGC|V8\.GC\w*)$/,
  "style and layout": /^(?:UpdateLayoutTree|Layout|IntersectionObserverController::\w+)$/,
  "paint and layers": /^(?:PrePaint|Paint|Layerize|Commit|UpdateLayer|CompositeLayers)$/,
  pixels: /^(?:RasterTask|RasterizerTaskImpl::RunOnWorkerThread|Display::DrawAndSwap)$/,
} as const;
type Kind = keyof typeof kinds;

const kindOf = (name: string): Kind | null =>
  (Object.keys(kinds) as Kind[]).find((kind) => kinds[kind].test(name)) ?? null;

/** ms by kind; what ran inside of something else counts as its own kind only. */
function timeByKind(events: readonly TraceEvent[]): Record<Kind, number> {
  const times: Record<Kind, number> = {
    script: 0,
    collection: 0,
    "style and layout": 0,
    "paint and layers": 0,
    pixels: 0,
  };
  const threads = Map.groupBy(events, ({ pid, tid }) => `${pid}/${tid}`);
  for (const thread of threads.values()) {
    const open: { readonly kind: Kind; readonly end: number }[] = [];
    for (const { name, ph, ts, dur = 0 } of thread.toSorted((a, b) => a.ts - b.ts || (b.dur ?? 0) - (a.dur ?? 0))) {
      const kind = ph === "X" ? kindOf(name) : null;
      if (kind === null) continue;
      while ((open.at(-1)?.end ?? Number.POSITIVE_INFINITY) <= ts) open.pop();
      const around = open.at(-1);
      if (around !== undefined) times[around.kind] -= dur / 1000;
      times[kind] += dur / 1000;
      open.push({ kind, end: ts + dur });
    }
  }
  return times;
}

/** Does `work`, which gives the times of its frames, and says in words where the time of a frame went. */
export async function traced(
  browser: Browser,
  page: Page,
  work: () => Promise<number[]>,
): Promise<{ readonly frames: number[]; readonly where: string }> {
  await browser.startTracing(page, {
    categories: ["-*", "devtools.timeline", "disabled-by-default-devtools.timeline", "viz", "cc", "blink"],
  });
  const frames = await work();
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString("utf8")) as {
    readonly traceEvents: readonly TraceEvent[];
  };
  const times = Object.entries(timeByKind(traceEvents));
  const where = times.map(([kind, time]) => `${kind} ${(time / frames.length).toFixed(1)}`).join(", ");
  return { frames, where };
}
