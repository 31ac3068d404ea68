// The dashed line in the thread above which the model sees nothing: how many tokens, and what to do about it.
import { formatCount } from "../ui/format.ts";
import { raiseContext, startContextAt } from "./actions/contextActions.ts";
import { largerContext } from "./ContextGauge.tsx";
import { useContext } from "./contextStore.ts";
import type { UnseenTurns } from "./thread.ts";

const linkLook = "rounded px-1.5 py-0.5 text-accent hover:bg-hover";

export function ContextLine({ firstMessageId, droppedTokens, chosen }: UnseenTurns) {
  const use = useContext((state) => state.use);
  const larger = use === null ? null : largerContext(use);
  return (
    <div
      role="note"
      aria-label="Where the model's view begins"
      className="flex items-center gap-3 text-xs text-muted before:flex-1 before:border-t before:border-dashed before:border-warn after:flex-1 after:border-t after:border-dashed after:border-warn"
    >
      <div className="flex max-w-[80%] flex-wrap items-center justify-center gap-x-2 gap-y-0.5 text-center">
        <span>Older turns above are not seen by the model (−{formatCount(droppedTokens)} tokens)</span>
        {chosen ? (
          <button type="button" className={linkLook} onClick={() => void startContextAt(null)}>
            Send them again
          </button>
        ) : (
          <>
            {larger !== null && (
              <button type="button" className={linkLook} onClick={() => void raiseContext(larger)}>
                Raise context to {formatCount(larger)}
              </button>
            )}
            <button type="button" className={linkLook} onClick={() => void startContextAt(firstMessageId)}>
              Start from here
            </button>
          </>
        )}
      </div>
    </div>
  );
}
