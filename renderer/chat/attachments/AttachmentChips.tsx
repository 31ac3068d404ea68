// Attachments as a row of chips: above the message box, where they can be taken away, and on the message they went with.
import { FileCode, FileSpreadsheet, FileText, FileType, LoaderCircle, TriangleAlert, X } from "lucide-react";
import type { Attachment } from "../../../electron/contract/attachments.ts";
import { t } from "../../i18n/texts.ts";
import { IconButton } from "../../ui/IconButton.tsx";
import { useContext } from "../contextStore.ts";
import { useChat } from "../chatStore.ts";
import { removeAttachment } from "./attachmentActions.ts";
import { attachmentsToSend, useAttachments } from "./attachmentStore.ts";
import { cautionWords, shapeWords, sizeWords } from "./attachmentWords.ts";

const icons = { text: FileText, markdown: FileText, code: FileCode, csv: FileSpreadsheet, pdf: FileType } as const;

interface ChipProps {
  readonly attachment: Attachment;
  /** Of the loaded model. */
  readonly tokens?: number | undefined;
  readonly onRemove?: (() => void) | undefined;
}

function Chip({ attachment, tokens, onRemove }: ChipProps) {
  const Icon = icons[attachment.kind];
  const caution = cautionWords(attachment);
  const facts = [shapeWords(attachment), sizeWords(attachment, tokens)].filter((words) => words !== "").join(" · ");
  return (
    <li className="flex h-11 max-w-full items-center rounded-lg border border-line bg-surface text-left">
      <button
        type="button"
        onClick={() => useAttachments.setState({ viewed: attachment })}
        className="flex h-full min-w-0 items-center gap-2 rounded-lg px-2.5 hover:bg-hover"
      >
        <Icon size={18} aria-hidden className="shrink-0 text-muted" />
        <span className="min-w-0">
          <span className="block max-w-56 truncate text-[13px] leading-tight">{attachment.name}</span>
          <span className="flex items-center gap-1 text-xs leading-tight whitespace-nowrap text-muted">
            {caution !== "" && <TriangleAlert size={12} aria-hidden className="text-warn" />}
            {facts}
            {caution !== "" && <span className="sr-only"> {caution}</span>}
          </span>
        </span>
      </button>
      {onRemove !== undefined && (
        <IconButton label={t("attachments.remove", { name: attachment.name })} onClick={onRemove} className="mr-1">
          <X size={14} aria-hidden />
        </IconButton>
      )}
    </li>
  );
}

/** On a message. */
export function SentAttachments({ attachments }: { readonly attachments: readonly Attachment[] }) {
  if (attachments.length === 0) return null;
  return (
    <ul aria-label={t("attachments.list")} className="mb-1.5 flex max-w-[80%] flex-wrap justify-end gap-1.5">
      {attachments.map((attachment) => (
        <Chip key={attachment.id} attachment={attachment} />
      ))}
    </ul>
  );
}

/** Above the message box: what goes with the next message, and by how much it is too much. */
export function UnsentAttachments() {
  const openId = useChat((state) => state.openId);
  const store = useAttachments();
  const use = useContext((state) => state.use);
  const list = attachmentsToSend(store, openId);
  if (list.length === 0 && store.reading.length === 0) return null;
  return (
    <div className="flex flex-col gap-1.5 px-1 pb-2">
      <ul aria-label={t("attachments.unsent")} className="flex flex-wrap gap-1.5">
        {list.map((attachment) => (
          <Chip
            key={attachment.id}
            attachment={attachment}
            tokens={use?.attachments[attachment.id]}
            onRemove={() => void removeAttachment(attachment)}
          />
        ))}
        {store.reading.map((name, index) => (
          <li key={`${index} ${name}`} className="flex h-11 items-center gap-2 px-2 text-[13px] text-muted">
            <LoaderCircle size={16} aria-hidden className="animate-spin" />
            {t("attachments.reading", { name })}
          </li>
        ))}
      </ul>
      {use !== null && use.overflow > 0 && (
        <p role="status" className="px-1 text-[13px] text-warn">
          {t("attachments.overflow", { count: use.overflow, context: use.context, reserved: use.reserved })}
        </p>
      )}
    </div>
  );
}
