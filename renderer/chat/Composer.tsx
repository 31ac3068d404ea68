// Where messages are written. Enter sends (or Ctrl/Cmd+Enter, a setting), Shift+Enter breaks the line, Esc stops; Send and
// Stop are one button, so the hand need not move.
import { useLayoutEffect, useRef, type ClipboardEvent, type KeyboardEvent } from "react";
import { ArrowUp, Paperclip, Square, X } from "lucide-react";
import { t } from "../i18n/texts.ts";
import { useSettings } from "../platform/settingsStore.ts";
import { IconButton } from "../ui/IconButton.tsx";
import { cancelEdit, startEdit, stopRun } from "./actions/messageActions.ts";
import { sendMessage } from "./actions/sendMessage.ts";
import { attachFile, attachFiles, attachPaste, insertIntoDraft, longPaste } from "./attachments/attachmentActions.ts";
import { UnsentAttachments } from "./attachments/AttachmentChips.tsx";
import { attachmentsToSend, useAttachments } from "./attachments/attachmentStore.ts";
import { DropTarget } from "./attachments/DropTarget.tsx";
import { setDraft, useChat } from "./chatStore.ts";
import { ContextGauge } from "./ContextGauge.tsx";
import { useContextUpdates } from "./contextStore.ts";
import { useShownBranch } from "./Thread.tsx";

const minHeight = 56;
const maxHeight = 320;

export function Composer() {
  const openId = useChat((state) => state.openId);
  const draft = useChat((state) => state.drafts[state.openId ?? ""] ?? "");
  const editing = useChat((state) => state.editingId !== null);
  const sendWith = useSettings((settings) => settings.sendWith);
  const wide = useSettings((settings) => settings.wideColumn);
  const branch = useShownBranch();
  const busy = branch.some((message) => message.state === "generating");
  const box = useRef<HTMLTextAreaElement>(null);
  const empty = useAttachments((state) => attachmentsToSend(state, openId).length === 0) && draft.trim() === "";
  useContextUpdates();

  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    element.style.height = "auto";
    element.style.height = `${Math.min(maxHeight, Math.max(minHeight, element.scrollHeight))}px`;
  }, [draft]);

  const send = (): void => {
    if (!busy && sendMessage.isEnabled?.() === true) void sendMessage.perform();
  };

  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>): void => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "Escape" && editing) {
      event.stopPropagation();
      cancelEdit();
      return;
    }
    if (event.key === "ArrowUp" && draft === "" && !busy) {
      const lastOwn = branch.findLast((message) => message.role === "user");
      if (lastOwn !== undefined) {
        event.preventDefault();
        startEdit(lastOwn);
      }
      return;
    }
    if (event.key !== "Enter" || event.shiftKey) return;
    if (sendWith === "mod-enter" && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    send();
  };

  const onPaste = (event: ClipboardEvent<HTMLTextAreaElement>): void => {
    const files = [...event.clipboardData.files];
    const pasted = event.clipboardData.getData("text/plain");
    // A spreadsheet's clipboard holds its cells as text and as a picture: the text is meant.
    if (files.length > 0 && pasted === "") {
      event.preventDefault();
      void attachFiles(files);
    }
    if (pasted.length <= longPaste) return;
    event.preventDefault();
    const { selectionStart, selectionEnd } = event.currentTarget;
    void attachPaste(pasted, () => insertIntoDraft(pasted, draft, selectionStart, selectionEnd));
  };

  return (
    <div className={`mx-auto w-full px-6 pb-1.5 ${wide ? "max-w-[1088px]" : "max-w-[816px]"}`}>
      {editing && (
        <div className="mb-1 flex items-center justify-between rounded-t-lg bg-surface px-3 py-1 text-xs text-muted">
          <span>{t("chat.editingNotice")}</span>
          <IconButton label={t("chat.cancelEdit")} onClick={cancelEdit}>
            <X size={14} aria-hidden />
          </IconButton>
        </div>
      )}
      <div className="rounded-2xl border border-line bg-raised p-2 focus-within:border-accent">
        <UnsentAttachments />
        <div className="flex items-end gap-2">
          <IconButton
            label={t("attachments.attach")}
            onClick={() => void attachFile.perform()}
            className="size-9! rounded-full!"
          >
            <Paperclip size={18} aria-hidden />
          </IconButton>
          <textarea
            id="composer"
            ref={box}
            aria-label={t("chat.message")}
            placeholder={t("chat.message")}
            value={draft}
            rows={1}
            onChange={(event) => setDraft(openId, event.target.value)}
            onKeyDown={onKeyDown}
            onPaste={onPaste}
            className="min-h-14 flex-1 resize-none bg-transparent px-1 py-1.5 text-base leading-normal outline-none placeholder:text-muted"
          />
          <button
            type="button"
            aria-label={busy ? t("chat.stop") : t("chat.send")}
            title={busy ? t("chat.stopEsc") : t("chat.send")}
            // Not `disabled`: at the end of an answer that would take the focus from whoever has just stopped it.
            aria-disabled={!busy && empty}
            onClick={() => (busy ? void stopRun.perform() : send())}
            className="flex size-9 shrink-0 items-center justify-center rounded-full border border-transparent bg-accent text-on-accent aria-disabled:opacity-40"
          >
            {busy ? <Square size={14} fill="currentColor" aria-hidden /> : <ArrowUp size={18} aria-hidden />}
          </button>
        </div>
      </div>
      <DropTarget />
      <div className="flex min-h-6 items-center justify-end pt-1">
        <ContextGauge />
      </div>
    </div>
  );
}
