// A summary where it stands in for the turns above it: marked as what it is, to be read, changed and taken away.
import { useState, type ReactNode } from "react";
import { Pencil, ScrollText, Undo2 } from "lucide-react";
import type { Summary } from "../../../electron/contract/summaries.ts";
import { t } from "../../i18n/texts.ts";
import { Button } from "../../ui/Button.tsx";
import { IconButton } from "../../ui/IconButton.tsx";
import { useChat } from "../chatStore.ts";
import { editSummary, removeSummary, stopSummary } from "./summaryActions.ts";
import { useSummaries } from "./summaryStore.ts";

interface FrameProps {
  readonly title: string;
  readonly buttons?: ReactNode;
  readonly children: ReactNode;
}

function Frame({ title, buttons, children }: FrameProps) {
  return (
    <section aria-label={title} className="rounded-xl border border-dashed border-accent bg-surface px-4 py-3">
      <header className="mb-1.5 flex items-center gap-2 text-xs text-muted">
        <ScrollText size={14} aria-hidden className="shrink-0" />
        <span className="flex-1">{title}</span>
        {buttons}
      </header>
      {children}
    </section>
  );
}

function Editor({ summary, onClose }: { readonly summary: Summary; readonly onClose: () => void }) {
  const [text, setText] = useState(summary.text);
  return (
    <div className="flex flex-col gap-2">
      <textarea
        aria-label={t("transcript.summaryText")}
        value={text}
        rows={Math.min(16, Math.max(4, Math.ceil(text.length / 80)))}
        // The reader has just asked to type here.
        // oxlint-disable-next-line jsx-a11y/no-autofocus
        autoFocus
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== "Escape" || event.nativeEvent.isComposing) return;
          event.stopPropagation();
          event.preventDefault();
          onClose();
        }}
        className="w-full resize-y rounded-lg border border-line bg-raised p-2.5 text-sm leading-relaxed"
      />
      <div className="flex gap-2">
        <Button
          look="primary"
          disabled={text.trim() === ""}
          onClick={() => {
            onClose();
            void editSummary(summary, text);
          }}
        >
          {t("transcript.save")}
        </Button>
        <Button onClick={onClose}>{t("transcript.cancel")}</Button>
      </div>
    </div>
  );
}

export function SummaryBlock({ summary }: { readonly summary: Summary }) {
  const [editing, setEditing] = useState(false);
  const title = t("transcript.summaryOf", { count: summary.messages });
  return (
    <Frame
      title={summary.edited ? `${title} · ${t("transcript.edited")}` : title}
      buttons={
        <>
          <IconButton label={t("transcript.editSummary")} onClick={() => setEditing(true)}>
            <Pencil size={14} aria-hidden />
          </IconButton>
          <IconButton label={t("transcript.removeSummary")} onClick={() => void removeSummary(summary)}>
            <Undo2 size={14} aria-hidden />
          </IconButton>
        </>
      }
    >
      {editing ? (
        <Editor summary={summary} onClose={() => setEditing(false)} />
      ) : (
        <p className="text-sm leading-relaxed wrap-anywhere whitespace-pre-wrap">{summary.text}</p>
      )}
    </Frame>
  );
}

/** The one that is being written in the open conversation, with the way to stop it. */
export function GrowingSummary() {
  const openId = useChat((state) => state.openId);
  const piece = useSummaries((state) => (openId === null ? undefined : state.growing[openId]));
  if (piece === undefined) return null;
  const title =
    piece === null || piece.parts === 1
      ? t("transcript.writing")
      : t("transcript.writingPart", { part: piece.part, parts: piece.parts });
  return (
    <Frame
      title={title}
      buttons={
        <Button onClick={() => void stopSummary()} className="h-7!">
          {t("transcript.cancel")}
        </Button>
      }
    >
      <p aria-busy className="min-h-5 text-sm leading-relaxed wrap-anywhere whitespace-pre-wrap text-muted">
        {piece?.text ?? ""}
      </p>
    </Frame>
  );
}
