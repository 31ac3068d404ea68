// What a screen reader hears of a growing answer: its start, each finished paragraph at most every three seconds, and
// its end. Never single tokens.
import { useEffect, useRef, useState } from "react";
import type { Message } from "../../electron/contract/chat.ts";
import { t } from "../i18n/texts.ts";
import { textOf } from "./thread.ts";

const quietMs = 3_000;

export function Announcer({ branch }: { readonly branch: readonly Message[] }) {
  const [spoken, setSpoken] = useState("");
  const progress = useRef({ id: "", length: 0, at: 0 });
  const last = branch.at(-1);

  useEffect(() => {
    if (last?.role !== "assistant") return;
    const text = textOf(last);
    const now = Date.now();
    const mine = progress.current;
    if (last.state === "generating" && mine.id !== last.id) {
      progress.current = { id: last.id, length: 0, at: now };
      setSpoken(t("chat.answering"));
      return;
    }
    if (mine.id !== last.id) return;
    if (last.state !== "generating") {
      setSpoken(t("chat.answerFinished", { text: text.slice(mine.length) }));
      progress.current = { id: "", length: 0, at: now };
      return;
    }
    const end = text.lastIndexOf("\n\n");
    if (end > mine.length && now - mine.at >= quietMs) {
      setSpoken(text.slice(mine.length, end));
      progress.current = { id: last.id, length: end, at: now };
    }
  }, [last]);

  return (
    <p role="status" aria-live="polite" className="sr-only">
      {spoken}
    </p>
  );
}
