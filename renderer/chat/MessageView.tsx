// One message: its text, its versions, its actions and, for an answer, how it came about.
import { memo, type ComponentType } from "react";
import { ChevronLeft, ChevronRight, Copy, Pencil, RotateCcw } from "lucide-react";
import type { Message, Run } from "../../electron/contract/chat.ts";
import { reportError } from "../platform/toasts.ts";
import { formatCount, formatDuration } from "../ui/format.ts";
import { IconButton } from "../ui/IconButton.tsx";
import { regenerateAnswer, showVersion, startEdit } from "./actions/messageActions.ts";
import { useChat } from "./chatStore.ts";
import { siblingsOf, textOf } from "./thread.ts";

const stopWords = {
  "end-of-text": "end of answer",
  "max-tokens": "token limit",
  "context-full": "context full",
  "stop-string": "stop string",
  cancelled: "stopped",
} as const;

function footerOf(run: Run): string {
  const { timings, stopReason } = run;
  if (timings === null) return run.modelName;
  const rate = timings.decodeMs > 0 ? (timings.generatedTokens / timings.decodeMs) * 1000 : 0;
  return [
    `${rate.toFixed(1)} tok/s`,
    `${formatDuration(timings.firstTokenMs)} to first token`,
    `${formatCount(timings.generatedTokens)} tok`,
    ...(stopReason === null ? [] : [`stop: ${stopWords[stopReason]}`]),
    `${formatCount(timings.reusedTokens)} of ${formatCount(timings.promptTokens)} prompt tokens reused`,
  ].join(" · ");
}

function Versions({ message }: { readonly message: Message }) {
  const messages = useChat((state) => state.messages);
  const versions = siblingsOf(messages, message);
  if (versions.length < 2) return null;
  const index = versions.findIndex((version) => version.id === message.id);
  const previous = versions[index - 1];
  const next = versions[index + 1];
  return (
    <span className="flex items-center text-xs text-muted">
      <IconButton
        label="Previous version"
        disabled={previous === undefined}
        onClick={() => previous && void showVersion(previous)}
      >
        <ChevronLeft size={14} aria-hidden />
      </IconButton>
      <span>
        {index + 1}/{versions.length}
      </span>
      <IconButton label="Next version" disabled={next === undefined} onClick={() => next && void showVersion(next)}>
        <ChevronRight size={14} aria-hidden />
      </IconButton>
    </span>
  );
}

function Actions({ message, busy }: { readonly message: Message; readonly busy: boolean }) {
  const copy = (): void => {
    navigator.clipboard.writeText(textOf(message)).catch(reportError);
  };
  return (
    <div className="flex items-center gap-0.5 opacity-60 group-focus-within:opacity-100 group-hover:opacity-100">
      <Versions message={message} />
      <IconButton label="Copy message" onClick={copy}>
        <Copy size={14} aria-hidden />
      </IconButton>
      {message.role === "user" && (
        <IconButton label="Edit message" disabled={busy} onClick={() => startEdit(message)}>
          <Pencil size={14} aria-hidden />
        </IconButton>
      )}
      {message.role === "assistant" && (
        <IconButton label="Regenerate answer" disabled={busy} onClick={() => void regenerateAnswer(message.id)}>
          <RotateCcw size={14} aria-hidden />
        </IconButton>
      )}
    </div>
  );
}

function Progress({ messageId }: { readonly messageId: string }) {
  const prefill = useChat((state) => state.runs.get(messageId)?.prefill ?? null);
  const text =
    prefill === null
      ? "Thinking…"
      : `Reading the prompt: ${formatCount(prefill.done)} of ${formatCount(prefill.total)} tokens`;
  return <p className="animate-pulse text-muted">{text}</p>;
}

function Ending({ message }: { readonly message: Message }) {
  if (message.state === "interrupted") {
    return (
      <p className="mt-2 text-[13px] text-warn">
        Interrupted{message.run?.error ? `: ${message.run.error.message}` : ". What was written is kept."}
      </p>
    );
  }
  if (message.state === "failed") {
    return (
      <p role="alert" className="mt-2 text-[13px] text-danger">
        {message.run?.error?.message ?? "The answer failed."}
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
  const text = textOf(message);
  if (message.role === "user") {
    return (
      <article aria-label="You" className="group flex flex-col items-end">
        <div className="max-w-[80%] rounded-2xl bg-bubble px-4 py-2.5 text-base leading-relaxed wrap-anywhere whitespace-pre-wrap">
          {text}
        </div>
        <Actions message={message} busy={busy} />
      </article>
    );
  }
  const streaming = message.state === "generating";
  return (
    <article aria-label="Answer" aria-busy={streaming} className="group">
      {streaming && text === "" && <Progress messageId={message.id} />}
      <AnswerText messageId={message.id} text={text} streaming={streaming} />
      <Ending message={message} />
      <div className="mt-1 flex min-h-7 flex-wrap items-center gap-x-3">
        {!streaming && <Actions message={message} busy={busy} />}
        {!streaming && message.run !== null && <p className="text-xs text-muted">{footerOf(message.run)}</p>}
      </div>
    </article>
  );
});
