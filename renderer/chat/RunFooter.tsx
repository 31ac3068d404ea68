// How an answer came about, in one line; what the prompt cost and why, and what drafting came to, is a hover or a Tab away, all
// of it a click.
import type { Message } from "../../electron/contract/chat.ts";
import { t } from "../i18n/texts.ts";
import { Hint } from "../ui/Hint.tsx";
import { useChat } from "./chatStore.ts";
import { draftWords, reuseWords, speedWords, whySlow } from "./runWords.ts";

interface ExplainedProps {
  readonly why: string;
  readonly children: string;
  onClick(): void;
}

function Explained({ why, children, onClick }: ExplainedProps) {
  return (
    <Hint text={why}>
      <button
        type="button"
        onClick={onClick}
        className="rounded-sm underline decoration-dotted underline-offset-2 hover:text-ink"
      >
        {children}
      </button>
    </Hint>
  );
}

export function RunFooter({ message }: { readonly message: Message }) {
  const { run } = message;
  if (run === null) return <p className="text-xs text-muted">{t("chat.editedOrImported")}</p>;
  const openDetails = (): void => useChat.setState({ detailsId: message.id });
  const words = speedWords(run);
  const drafts = draftWords(run);
  const continued = run.prompt !== null && run.prompt.continuedFrom > 0;
  return (
    <p className="text-xs text-muted">
      {words.length === 0 ? run.modelName : words.join(" · ")}
      {continued && ` · ${t("chat.continued")}`}
      {run.timings !== null && (
        <>
          {" · "}
          <Explained why={whySlow(run.reuse, run.timings)} onClick={openDetails}>
            {reuseWords(run.timings)}
          </Explained>
        </>
      )}
      {drafts !== null && (
        <>
          {" · "}
          <Explained why={drafts.long} onClick={openDetails}>
            {drafts.short}
          </Explained>
        </>
      )}
    </p>
  );
}
