// Letting the model summarise what no longer fits, and working on what it wrote.
import { AppError } from "../../../electron/contract/errors.ts";
import type { Summary } from "../../../electron/contract/summaries.ts";
import { client } from "../../platform/client.ts";
import { offerUndo, reportError } from "../../platform/toasts.ts";
import { t } from "../../i18n/texts.ts";
import { useChat } from "../chatStore.ts";
import { useSummaries } from "./summaryStore.ts";

export async function writeSummary(): Promise<void> {
  const { openId } = useChat.getState();
  if (openId === null) return;
  useSummaries.setState(({ growing }) => ({ growing: { ...growing, [openId]: null } }));
  try {
    const { id } = await client.summaries.write({ conversationId: openId });
    offerUndo(t("transcript.summarised"), async () => void (await client.summaries.remove({ summaryId: id })));
  } catch (error) {
    const { [openId]: _ended, ...growing } = useSummaries.getState().growing;
    useSummaries.setState({ growing });
    if (!(error instanceof AppError && error.code === "cancelled")) reportError(error);
  }
}

export async function stopSummary(): Promise<void> {
  const { openId } = useChat.getState();
  if (openId !== null) await client.summaries.stop({ conversationId: openId }).catch(reportError);
}

export async function editSummary({ id, text: before }: Summary, text: string): Promise<void> {
  if (text.trim() === "" || text.trim() === before) return;
  try {
    await client.summaries.edit({ summaryId: id, text });
    offerUndo(t("transcript.summaryEdited"), async () => {
      await client.summaries.edit({ summaryId: id, text: before });
    });
  } catch (error) {
    reportError(error);
  }
}

export async function removeSummary({ id }: Summary): Promise<void> {
  try {
    await client.summaries.remove({ summaryId: id });
    offerUndo(t("transcript.summaryRemoved"), async () => void (await client.summaries.restore({ summaryId: id })));
  } catch (error) {
    reportError(error);
  }
}
