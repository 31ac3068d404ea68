// The dashed line in the thread above which the model sees nothing: how many tokens, and what to do about it.
import { t } from "../i18n/texts.ts";
import { raiseContext, startContextAt } from "./actions/contextActions.ts";
import { largerContext } from "./ContextGauge.tsx";
import { useContext } from "./contextStore.ts";
import { writeSummary } from "./transcript/summaryActions.ts";
import type { UnseenTurns } from "./thread.ts";

const linkLook = "rounded px-1.5 py-0.5 text-accent hover:bg-hover";

export function ContextLine({ firstMessageId, droppedTokens, chosen }: UnseenTurns) {
  const use = useContext((state) => state.use);
  const larger = use === null ? null : largerContext(use);
  return (
    <div
      role="note"
      aria-label={t("chat.viewBegins")}
      className="flex items-center gap-3 text-xs text-muted before:flex-1 before:border-t before:border-dashed before:border-warn after:flex-1 after:border-t after:border-dashed after:border-warn"
    >
      <div className="flex max-w-[80%] flex-wrap items-center justify-center gap-x-2 gap-y-0.5 text-center">
        <span>{t("chat.unseenTurns", { count: droppedTokens })}</span>
        {chosen ? (
          <button type="button" className={linkLook} onClick={() => void startContextAt(null)}>
            {t("chat.sendAgain")}
          </button>
        ) : (
          <>
            <button type="button" className={linkLook} onClick={() => void writeSummary()}>
              {t("transcript.summarise")}
            </button>
            {larger !== null && (
              <button type="button" className={linkLook} onClick={() => void raiseContext(larger)}>
                {t("chat.raiseContextTo", { tokens: larger })}
              </button>
            )}
            <button type="button" className={linkLook} onClick={() => void startContextAt(firstMessageId)}>
              {t("chat.startFromHere")}
            </button>
          </>
        )}
      </div>
    </div>
  );
}
