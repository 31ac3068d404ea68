// What the stored traces take, and the way to be rid of them.
import { memo, useEffect, useState } from "react";
import { t } from "../i18n/texts.ts";
import { client } from "../platform/client.ts";
import { reportError } from "../platform/toasts.ts";
import { Button } from "../ui/Button.tsx";
import { formatBytes } from "../ui/format.ts";
import { Modal } from "../ui/Modal.tsx";

type Storage = Awaited<ReturnType<typeof client.experts.getTraceStorage>>;

/** Read when an answer ends and when traces are cleared. */
function useStorage(conversationId: string, growing: boolean): Storage | null {
  const [storage, setStorage] = useState<Storage | null>(null);
  useEffect(() => {
    let stale = false;
    const read = (): void => {
      client.experts.getTraceStorage({ conversationId }).then(
        (found) => {
          if (!stale) setStorage(found);
        },
        () => {},
      );
    };
    read();
    const stop = client.experts.on("tracesCleared", read);
    return () => {
      stale = true;
      stop();
    };
  }, [conversationId, growing]);
  return storage;
}

const linkLook =
  "min-h-6 min-w-6 rounded px-1 text-accent hover:underline disabled:text-muted disabled:no-underline disabled:opacity-60";

const rows = [
  ["conversation", "experts.tracesHere", "experts.clearTraces"],
  ["all", "experts.tracesAll", "experts.clearAllTraces"],
] as const;

interface TraceStorageProps {
  readonly conversationId: string;
  readonly growing: boolean;
}

export const TraceStorage = memo(function TraceStorage({ conversationId, growing }: TraceStorageProps) {
  const storage = useStorage(conversationId, growing);
  const [asking, setAsking] = useState<"conversation" | "all" | null>(null);
  if (storage === null) return null;
  const close = (): void => setAsking(null);
  const clear = (): void => {
    close();
    client.experts.clearTraces({ conversationId: asking === "all" ? null : conversationId }).catch(reportError);
  };
  const size = (which: "conversation" | "all"): string => formatBytes(storage[which].bytes);
  return (
    <footer className="mt-auto flex flex-col gap-1 border-t border-line pt-2 text-xs text-muted">
      {rows.map(([which, words, clearWords]) => (
        <p key={which} className="flex justify-between gap-2">
          {t(words, { size: size(which) })}
          <button
            type="button"
            disabled={growing || storage[which].answers === 0}
            className={linkLook}
            onClick={() => setAsking(which)}
          >
            {t(clearWords)}
          </button>
        </p>
      ))}
      {asking !== null && (
        <Modal
          open
          title={t("experts.clearTitle")}
          description={t("experts.clearHelp", { size: size(asking) })}
          width={420}
          onClose={close}
        >
          <div className="flex justify-end gap-2">
            <Button onClick={close}>{t("ui.cancel")}</Button>
            <Button look="danger" onClick={clear}>
              {t(asking === "all" ? "experts.clearAllTraces" : "experts.clearTraces")}
            </Button>
          </div>
        </Modal>
      )}
    </footer>
  );
});
