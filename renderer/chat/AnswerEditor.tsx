// An answer being rewritten in its place. Saving makes a version beside it; Esc leaves everything as it was.
import { useLayoutEffect, useRef, useState, type KeyboardEvent } from "react";
import type { Message } from "../../electron/contract/chat.ts";
import { t } from "../i18n/texts.ts";
import { Button } from "../ui/Button.tsx";
import { cancelAnswerEdit, saveEdit } from "./actions/messageActions.ts";
import { textOf } from "./thread.ts";

const tallestPx = 480;

export function AnswerEditor({ message }: { readonly message: Message }) {
  const [text, setText] = useState(() => textOf(message));
  const box = useRef<HTMLTextAreaElement>(null);

  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    element.style.height = "auto";
    element.style.height = `${Math.min(tallestPx, element.scrollHeight + 2)}px`;
  }, [text]);

  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>): void => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      cancelAnswerEdit();
    }
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      void saveEdit(message, text);
    }
  };

  return (
    <div className="flex flex-col gap-2">
      <textarea
        ref={box}
        aria-label={t("chat.answerText")}
        value={text}
        // The reader has just asked to type here.
        // oxlint-disable-next-line jsx-a11y/no-autofocus
        autoFocus
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKeyDown}
        className="w-full resize-none rounded-lg border border-line bg-raised p-3 text-base leading-relaxed"
      />
      <div className="flex items-center gap-2">
        <Button look="primary" disabled={text.trim() === ""} onClick={() => void saveEdit(message, text)}>
          {t("chat.saveAsVersion")}
        </Button>
        <Button onClick={cancelAnswerEdit}>{t("ui.cancel")}</Button>
        <span className="text-xs text-muted">{t("chat.oldVersionStays")}</span>
      </div>
    </div>
  );
}
