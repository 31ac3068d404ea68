// "Open this link?" for the web entry, with the full host.
import { t } from "../i18n/texts.ts";
import { Button } from "../ui/Button.tsx";
import { Modal } from "../ui/Modal.tsx";
import { answerLinkQuestion, useLinkQuestion } from "./openLink.ts";

export function LinkDialog() {
  const url = useLinkQuestion((state) => state.url);
  const host = url !== null && URL.canParse(url) ? new URL(url).host : "";
  return (
    <Modal
      open={url !== null}
      title={t("chat.openLinkTitle")}
      description={host === "" ? t("chat.openLinkLeaves") : t("chat.openLinkLeavesTo", { host })}
      onClose={() => answerLinkQuestion(false)}
    >
      <p className="mb-4 rounded-md bg-surface p-2 font-mono text-xs break-all">{url}</p>
      <div className="flex justify-end gap-2">
        <Button onClick={() => answerLinkQuestion(false)}>{t("ui.cancel")}</Button>
        <Button look="primary" onClick={() => answerLinkQuestion(true)}>
          {t("chat.openLink")}
        </Button>
      </div>
    </Modal>
  );
}
