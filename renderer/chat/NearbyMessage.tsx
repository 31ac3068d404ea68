// A message that is drawn in full once it comes near the view, and until then stands as its plain text: a thread of
// thousands opens at once, and its words can still be found and read out.
import { useEffect, useRef, useState, type ComponentType, type RefObject } from "react";
import type { Message } from "../../electron/contract/chat.ts";
import { t } from "../i18n/texts.ts";
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

export function NearbyMessage({ message, busy, AnswerText, startsNear, scroller }: NearbyMessageProps) {
  const [near, setNear] = useState(startsNear);
  const box = useRef<HTMLElement>(null);

  useEffect(() => {
    const element = box.current;
    if (near || element === null) return;
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) setNear(true);
      },
      { root: scroller.current, rootMargin: `${nearPx}px 0px` },
    );
    observer.observe(element);
    return () => observer.disconnect();
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
}
