// A message that is drawn in full once it comes near the view, and until then stands as its plain text: a thread of
// thousands opens at once, and its words can still be found and read out.
import { memo, startTransition, useEffect, useRef, useState, type ComponentType, type RefObject } from "react";
import type { Message } from "../../electron/contract/chat.ts";
import { t, useLanguage } from "../i18n/texts.ts";
import { MessageView, type AnswerTextProps } from "./MessageView.tsx";
import { textOf } from "./thread.ts";

/** How far from the view a message is made ready, in px. */
const nearPx = 1200;

interface NearbyMessageProps {
  readonly message: Message;
  readonly busy: boolean;
  readonly AnswerText: ComponentType<AnswerTextProps>;
  /** Drawn in full from the start: the end of the thread is what is seen first. */
  readonly startsNear: boolean;
  readonly scroller: RefObject<HTMLElement | null>;
}

/** Messages drawn in one frame at most: what a fast scroll passes by is left as it is. */
const drawnPerFrame = 2;

interface Watch {
  observe(message: Element, draw: () => void): void;
  unobserve(message: Element): void;
}

function createWatch(root: Element): Watch {
  const draws = new WeakMap<Element, () => void>();
  const waiting = new Set<Element>();
  let frame = 0;
  const drawSome = (): void => {
    frame = 0;
    const next = [...waiting].slice(0, drawnPerFrame);
    for (const message of next) waiting.delete(message);
    startTransition(() => {
      for (const message of next) draws.get(message)?.();
    });
    schedule();
  };
  const schedule = (): void => {
    if (frame === 0 && waiting.size > 0) frame = requestAnimationFrame(drawSome);
  };
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (isIntersecting) waiting.add(target);
        else waiting.delete(target);
      }
      schedule();
    },
    { root, rootMargin: `${nearPx}px 0px` },
  );
  return {
    observe(message, draw) {
      draws.set(message, draw);
      observer.observe(message);
    },
    unobserve(message) {
      waiting.delete(message);
      observer.unobserve(message);
    },
  };
}

/** One observer for all messages of a thread: thousands of them would each be asked in every frame. */
const watches = new WeakMap<Element, Watch>();

function watchFor(root: Element): Watch {
  const watch = watches.get(root) ?? createWatch(root);
  watches.set(root, watch);
  return watch;
}

/** Draws itself alone: a growing answer must not ask every message of a long thread whether it changed. */
export const NearbyMessage = memo(function NearbyMessage(props: NearbyMessageProps) {
  const { message, busy, AnswerText, startsNear, scroller } = props;
  useLanguage();
  const [near, setNear] = useState(startsNear);
  const box = useRef<HTMLElement>(null);

  useEffect(() => {
    const element = box.current;
    if (near || element === null || scroller.current === null) return;
    const watch = watchFor(scroller.current);
    watch.observe(element, () => setNear(true));
    return () => watch.unobserve(element);
  }, [near, scroller]);

  if (near) return <MessageView message={message} busy={busy} AnswerText={AnswerText} />;
  return (
    <article
      ref={box}
      aria-label={message.role === "user" ? t("chat.you") : t("chat.answer")}
      className="thread-item text-base leading-relaxed wrap-anywhere whitespace-pre-wrap"
    >
      {textOf(message)}
    </article>
  );
});
