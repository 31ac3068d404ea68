// The answers of the shown thread for the Experts pane. A growing answer changes its text fifty times a second, and the pane
// need not draw for each: it hears once a second, and at once when another thread is shown or an answer begins or ends.
import { useEffect, useState } from "react";
import { useChat } from "../chat/chatStore.ts";
import { branchTo, textOf } from "../chat/thread.ts";
import type { ShownAnswer } from "../experts/ExpertsPane.tsx";

const slowestMs = 1000;

interface Shown {
  readonly leafId: string | null;
  readonly answers: readonly ShownAnswer[];
}

const shownLeaf = (): string | null => {
  const { conversations, openId } = useChat.getState();
  return conversations.find(({ id }) => id === openId)?.activeLeafId ?? null;
};

/** What the pane hears of at once. */
const shownEnd = (): string => {
  const leafId = shownLeaf() ?? "";
  return `${leafId} ${useChat.getState().messages.get(leafId)?.state ?? ""}`;
};

function shownNow(): Shown {
  const leafId = shownLeaf();
  const answers = branchTo(useChat.getState().messages, leafId)
    .filter((message) => message.role === "assistant")
    .map((message) => ({
      id: message.id,
      text: textOf(message),
      generating: message.state === "generating",
      conversationId: message.conversationId,
      run: message.run,
    }));
  return { leafId, answers };
}

export function useShownAnswers(): readonly ShownAnswer[] {
  const [shown, setShown] = useState(shownNow);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | null = null;
    let end = shownEnd();
    const refresh = (): void => {
      if (timer !== null) clearTimeout(timer);
      timer = null;
      end = shownEnd();
      setShown(shownNow());
    };
    refresh();
    const stop = useChat.subscribe((state, before) => {
      if (
        state.messages === before.messages &&
        state.conversations === before.conversations &&
        state.openId === before.openId
      )
        return;
      if (shownEnd() !== end) refresh();
      else timer ??= setTimeout(refresh, slowestMs);
    });
    return () => {
      stop();
      if (timer !== null) clearTimeout(timer);
    };
  }, []);
  return shown.answers;
}
