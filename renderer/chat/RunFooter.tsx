// How an answer came about, in one line; what the prompt cost and why is a hover or a Tab away, all of it a click.
import type { Message } from "../../electron/contract/chat.ts";
import { t } from "../i18n/texts.ts";
import { Hint } from "../ui/Hint.tsx";
import { useChat } from "./chatStore.ts";
import { reuseWords, speedWords, whySlow } from "./runWords.ts";

export function RunFooter({ message }: { readonly message: Message }) {
  const { run } = message;
  if (run === null) return <p className="text-xs text-muted">{t("chat.editedOrImported")}</p>;
  const openDetails = (): void => useChat.setState({ detailsId: message.id });
  const words = speedWords(run);
  const continued = run.prompt !== null && run.prompt.continuedFrom > 0;
  return (
    <p className="text-xs text-muted">
      {words.length === 0 ? run.modelName : words.join(" · ")}
      {continued && ` · ${t("chat.continued")}`}
      {run.timings !== null && (
        <>
          {" · "}
          <Hint text={whySlow(run.reuse, run.timings)}>
            <button
              type="button"
              onClick={openDetails}
              className="rounded-sm underline decoration-dotted underline-offset-2 hover:text-ink"
            >
              {reuseWords(run.timings)}
            </button>
          </Hint>
        </>
      )}
    </p>
  );
}
