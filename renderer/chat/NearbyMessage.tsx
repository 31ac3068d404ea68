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

/** One observer for all messages of a thread: thousands of them would each be asked in every frame. */
const watches = new WeakMap<Element, { observer: IntersectionObserver; told: WeakMap<Element, () => void> }>();

function watchFor(root: Element): { observer: IntersectionObserver; told: WeakMap<Element, () => void> } {
  const known = watches.get(root);
  if (known !== undefined) return known;
  const told = new WeakMap<Element, () => void>();
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) if (isIntersecting) told.get(target)?.();
    },
    { root, rootMargin: `${nearPx}px 0px` },
  );
  const watch = { observer, told };
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
    if (near || element === null) return;
    if (scroller.current === null) return;
    const { observer, told } = watchFor(scroller.current);
    // Many come near at once on a fast scroll: React draws them between frames, and the plain text stands until then.
    told.set(element, () => startTransition(() => setNear(true)));
    observer.observe(element);
    return () => observer.unobserve(element);
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
