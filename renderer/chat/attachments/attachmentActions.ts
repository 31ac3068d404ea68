// Attaching files and pasted text to the next message, and taking them away again.
import { toast } from "sonner";
import type { Attachment, NewAttachment } from "../../../electron/contract/attachments.ts";
import { client } from "../../platform/client.ts";
import { pickFiles } from "../../platform/files.ts";
import { offerUndo, reportError } from "../../platform/toasts.ts";
import { t } from "../../i18n/texts.ts";
import type { Action } from "../../ui/action.ts";
import { setDraft, useChat } from "../chatStore.ts";
import { attachmentsToSend, useAttachments } from "./attachmentStore.ts";
import { acceptedFiles } from "./fileKinds.ts";
import { pastedAttachment, readAttachment } from "./readAttachment.ts";

/** A paste that is longer becomes an attachment, in UTF-16 units. */
export const longPaste = 2000;

const here = (): { readonly conversationId: string | null } => ({ conversationId: useChat.getState().openId });

const add = (attachment: NewAttachment): Promise<Attachment> => client.attachments.add({ ...here(), attachment });

/** Reads one file after the other; each that cannot be attached says why. */
export async function attachFiles(files: readonly File[]): Promise<void> {
  const names = files.map(({ name }) => name);
  useAttachments.setState(({ reading }) => ({ reading: [...reading, ...names] }));
  for (const file of files) {
    try {
      await add(await readAttachment(file));
    } catch (error) {
      reportError(error);
    } finally {
      useAttachments.setState(({ reading }) => ({ reading: reading.toSpliced(reading.indexOf(file.name), 1) }));
    }
  }
}

export const attachFile: Action = {
  id: "chat.attach",
  get label() {
    return t("attachments.attach");
  },
  keys: ["mod+shift+a"],
  perform: async () => attachFiles(await pickFiles(acceptedFiles)),
};

/**
 * Attaches a long pasted text instead of writing it into the message.
 * @param insert puts it where it would have gone, when that is what the user wanted.
 */
export async function attachPaste(pasted: string, insert: () => void): Promise<void> {
  try {
    const { openId } = useChat.getState();
    const present = attachmentsToSend(useAttachments.getState(), openId);
    const number = present.filter(({ facts }) => facts.pasted === true).length + 1;
    const { id } = await add(pastedAttachment(pasted, number));
    offerUndo(t("attachments.pasteAttached"), async () => {
      await client.attachments.remove({ attachmentId: id });
      insert();
    });
  } catch (error) {
    insert();
    reportError(error);
  }
}

/** The undo of a long paste: at the caret when the box has not changed since, else at the end. */
export function insertIntoDraft(pasted: string, before: string, from: number, to: number): void {
  const { openId, drafts } = useChat.getState();
  const draft = drafts[openId ?? ""] ?? "";
  const changed = draft !== before;
  setDraft(openId, changed ? `${draft}${pasted}` : `${draft.slice(0, from)}${pasted}${draft.slice(to)}`);
}

export async function removeAttachment(attachment: Attachment): Promise<void> {
  const { kept } = useAttachments.getState();
  if (kept.includes(attachment)) {
    useAttachments.setState({ kept: kept.filter((other) => other !== attachment) });
    return;
  }
  try {
    const { id, name, kind, language, bytes, facts } = attachment;
    const text = await client.attachments.getText({ attachmentId: id });
    await client.attachments.remove({ attachmentId: id });
    offerUndo(t("attachments.removed", { name }), async () => {
      await add({ name, kind, language, bytes, facts, text });
    });
  } catch (error) {
    reportError(error);
  }
}

export async function copyAttachment(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast.success(t("attachments.copied"));
  } catch (error) {
    reportError(error);
  }
}
