// Colours for a code block that is in view. The text stays one plain text node: tokens are ranges over it (CSS Custom
// Highlights), so nothing is drawn anew, a search finds words across tokens, and copying gives the text itself. Ranges of
// blocks out of view are taken away, which keeps the browser's list of them short.
import { useEffect, useRef, type RefObject } from "react";
import { startWorker } from "../../platform/workers.ts";
import {
  highlightLanguage,
  tokenKinds,
  type HighlightAnswer,
  type HighlightLanguage,
  type HighlightQuestion,
} from "./highlightLanguages.ts";
// Vite makes it: the address of the bundled worker.
// oxlint-disable-next-line import/default
import workerUrl from "./highlightWorker.ts?worker&url";

/** Longer code stays plain, in UTF-16 units. */
const longestCode = 50_000;
/** A worker that is silent for longer is stuck on what it was given; it is ended, and the next block gets a new one. */
const longestMs = 20_000;
/** Between two looks at code that is still being written. */
const pauseMs = 250;
const remembered = 200;
/** Without questions for so long, the worker and its grammars are let go. */
const idleMs = 5 * 60_000;

type Tokens = HighlightAnswer["tokens"];

let worker: Worker | undefined;
let asked = 0;
let patience: ReturnType<typeof setTimeout> | undefined;
const waiting = new Map<number, (tokens: Tokens) => void>();
const known = new Map<string, Tokens>();

function giveUp(silent: Worker): void {
  silent.terminate();
  if (worker === silent) worker = undefined;
  for (const answer of waiting.values()) answer(new Uint32Array());
  waiting.clear();
}

/** Starts its time anew. */
function watch(mine: Worker): void {
  clearTimeout(patience);
  patience = setTimeout(() => giveUp(mine), waiting.size === 0 ? idleMs : longestMs);
}

function ask(code: string, language: HighlightLanguage): Promise<Tokens> {
  const key = `${language} ${code}`;
  const before = known.get(key);
  if (before !== undefined) return Promise.resolve(before);
  if (worker === undefined) {
    const mine = startWorker(workerUrl);
    worker = mine;
    mine.addEventListener("message", ({ data }: MessageEvent<HighlightAnswer>) => {
      waiting.get(data.id)?.(data.tokens);
      waiting.delete(data.id);
      watch(mine);
    });
  }
  asked += 1;
  const question: HighlightQuestion = { id: asked, code, language };
  const answer = new Promise<Tokens>((resolve) => {
    waiting.set(question.id, (tokens) => {
      if (known.size >= remembered) known.delete(known.keys().next().value ?? "");
      known.set(key, tokens);
      resolve(tokens);
    });
  });
  worker.postMessage(question);
  watch(worker);
  return answer;
}

function highlightOf(kind: string): Highlight {
  const name = `code-${kind}`;
  const present = CSS.highlights.get(name);
  if (present !== undefined) return present;
  const made = new Highlight();
  // Below what a search marks.
  made.priority = -1;
  CSS.highlights.set(name, made);
  return made;
}

/** @returns what takes the colours away again. */
function colour(node: Text, tokens: Tokens): () => void {
  const ranges: [Highlight, StaticRange][] = [];
  for (let at = 0; at + 2 < tokens.length; at += 3) {
    const [start = 0, end = 0, kind = 0] = tokens.subarray(at, at + 3);
    if (end > node.length) break;
    const place = { startContainer: node, startOffset: start, endContainer: node, endOffset: end };
    ranges.push([highlightOf(tokenKinds[kind] ?? "comment"), new StaticRange(place)]);
  }
  for (const [highlight, range] of ranges) highlight.add(range);
  return () => {
    for (const [highlight, range] of ranges) highlight.delete(range);
  };
}

/** @param element holds the code as its only text node. */
export function useHighlight(element: RefObject<HTMLElement | null>, code: string, languageName: string): void {
  const language = highlightLanguage(languageName);
  const clear = useRef<() => void>(() => {});
  const lastAsked = useRef(0);
  const latest = useRef(code);

  useEffect(() => {
    latest.current = code;
    const box = element.current;
    if (box === null || language === null || code === "" || code.length > longestCode) return;
    if (typeof CSS === "undefined" || !("highlights" in CSS)) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const draw = async (): Promise<void> => {
      lastAsked.current = performance.now();
      const tokens = await ask(code, language);
      const node = box.firstChild;
      if (latest.current !== code || !(node instanceof Text)) return;
      clear.current();
      clear.current = colour(node, tokens);
    };
    const observer = new IntersectionObserver((entries) => {
      clearTimeout(timer);
      if (entries.at(-1)?.isIntersecting !== true) {
        clear.current();
        clear.current = () => {};
        return;
      }
      timer = setTimeout(() => void draw(), Math.max(0, lastAsked.current + pauseMs - performance.now()));
    });
    observer.observe(box);
    return () => {
      clearTimeout(timer);
      observer.disconnect();
    };
  }, [element, code, language]);

  useEffect(
    () => () => {
      latest.current = "";
      clear.current();
    },
    [],
  );
}
