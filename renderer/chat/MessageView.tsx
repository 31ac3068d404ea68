// One message: its text, its versions, its actions and, for an answer, how it came about.
import { memo, type ComponentType } from "react";
import type { Message } from "../../electron/contract/chat.ts";
import { t, useLanguage } from "../i18n/texts.ts";
import { errorText } from "../platform/errorText.ts";
import { AnswerEditor } from "./AnswerEditor.tsx";
import { SentAttachments } from "./attachments/AttachmentChips.tsx";
import { useChat } from "./chatStore.ts";
import { MessageActions } from "./MessageActions.tsx";
import { RunFooter } from "./RunFooter.tsx";
import { SteeredBadge } from "./SteeredBadge.tsx";
import { textOf } from "./thread.ts";

function Progress({ messageId }: { readonly messageId: string }) {
  const prefill = useChat((state) => state.runs.get(messageId)?.prefill ?? null);
  const text =
    prefill === null ? t("chat.thinking") : t("chat.readingPrompt", { done: prefill.done, count: prefill.total });
  return <p className="animate-pulse text-muted">{text}</p>;
}

function Ending({ message }: { readonly message: Message }) {
  if (message.state === "interrupted") {
    return (
      <p className="mt-2 text-[13px] text-warn">
        {message.run?.error
          ? t("chat.interrupted", { cause: errorText(message.run.error) })
          : t("chat.interruptedKept")}
      </p>
    );
  }
  if (message.state === "failed") {
    return (
      <p role="alert" className="mt-2 text-[13px] text-danger">
        {message.run?.error ? errorText(message.run.error) : t("chat.answerFailed")}
      </p>
    );
  }
  return null;
}

export interface AnswerTextProps {
  readonly messageId: string;
  readonly text: string;
  readonly streaming: boolean;
}

interface MessageViewProps {
  readonly message: Message;
  /** A run is under way in this thread: what would start another is off. */
  readonly busy: boolean;
  /** Shows an answer's text; the shell decides how. */
  readonly AnswerText: ComponentType<AnswerTextProps>;
}

export const MessageView = memo(function MessageView({ message, busy, AnswerText }: MessageViewProps) {
  useLanguage();
  const text = textOf(message);
  const editing = useChat((state) => state.editingAnswerId === message.id);
  if (message.role === "user") {
    return (
      <article aria-label={t("chat.you")} className="thread-item group flex flex-col items-end">
        <SentAttachments attachments={message.attachments} />
        {text !== "" && (
          <div className="max-w-[80%] rounded-2xl border border-transparent bg-bubble px-4 py-2.5 text-base leading-relaxed wrap-anywhere whitespace-pre-wrap">
            {text}
          </div>
        )}
        <MessageActions message={message} busy={busy} />
      </article>
    );
  }
  const streaming = message.state === "generating";
  return (
    <article aria-label={t("chat.answer")} aria-busy={streaming} className="thread-item group">
      {streaming && text === "" && <Progress messageId={message.id} />}
      {editing ? (
        <AnswerEditor message={message} />
      ) : (
        <AnswerText messageId={message.id} text={text} streaming={streaming} />
      )}
      <Ending message={message} />
      <div className="mt-1 flex min-h-7 flex-wrap items-center gap-x-3">
        {!streaming && !editing && <MessageActions message={message} busy={busy} />}
        <SteeredBadge run={message.run} />
        {!streaming && <RunFooter message={message} />}
      </div>
    </article>
  );
});
