// "Open this link?" for the web entry, with the full host.
import { Button } from "../ui/Button.tsx";
import { Modal } from "../ui/Modal.tsx";
import { answerLinkQuestion, useLinkQuestion } from "./openLink.ts";

export function LinkDialog() {
  const url = useLinkQuestion((state) => state.url);
  const host = url !== null && URL.canParse(url) ? new URL(url).host : "";
  return (
    <Modal
      open={url !== null}
      title="Open this link?"
      description={host === "" ? "It leaves Conclave." : `It leaves Conclave and opens ${host}.`}
      onClose={() => answerLinkQuestion(false)}
    >
      <p className="mb-4 rounded-md bg-surface p-2 font-mono text-xs break-all">{url}</p>
      <div className="flex justify-end gap-2">
        <Button onClick={() => answerLinkQuestion(false)}>Cancel</Button>
        <Button look="primary" onClick={() => answerLinkQuestion(true)}>
          Open link
        </Button>
      </div>
    </Modal>
  );
}
