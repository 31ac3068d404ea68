// The bottom line: what the engine does, how fast, with how much memory, and whether anything leaves this machine.
import { t } from "../i18n/texts.ts";
import { client } from "../platform/client.ts";
import { expertsWords } from "../models/FitBadge.tsx";
import { usePicker } from "../models/pickerStore.ts";
import { formatBytes } from "../ui/format.ts";
import { useEngine } from "./engineStore.ts";
import { reportError } from "../platform/toasts.ts";
import { useModels } from "../models/modelsStore.ts";

function useStateText(): { readonly text: string; readonly light: string } {
  const { status, connection } = useEngine();
  const loaded = useModels((state) => state.loaded);
  if (connection === "lost") return { text: t("app.connectionLost"), light: "bg-danger" };
  if (status === null) return { text: t("app.connecting"), light: "bg-muted" };
  switch (status.state) {
    case "stopped":
      return { text: t("app.idle"), light: "bg-muted" };
    case "idle":
      return { text: t("app.idle"), light: "bg-ok" };
    case "starting":
      return { text: t("app.starting"), light: "bg-warn" };
    case "loading": {
      const share = loaded.state === "loading" ? loaded.doneBytes / Math.max(1, loaded.totalBytes) : 0;
      return { text: t("app.loading", { percent: Math.round(share * 100) }), light: "bg-warn" };
    }
    case "prompt": {
      const { prefill } = status;
      const text = prefill === null ? t("app.prompt") : t("app.promptProgress", prefill);
      return { text, light: "bg-accent" };
    }
    case "generating":
      return { text: t("app.generating", { rate: Math.round(status.tokensPerSecond) }), light: "bg-accent" };
    case "crashed":
      return { text: t("app.engineCrashed"), light: "bg-danger" };
    case "given-up":
      return { text: t("app.engineGivenUp"), light: "bg-danger" };
  }
}

export function StatusBar() {
  const { status, version } = useEngine();
  const { text, light } = useStateText();
  const experts = useModels(({ loaded }) =>
    loaded.state === "ready" ? expertsWords(loaded.experts, loaded.expertsOnGpu) : null,
  );
  const onEngine = (): void => {
    if (status?.state === "given-up") client.engine.restart({}).catch(reportError);
    else usePicker.setState({ open: true });
  };
  return (
    <footer
      aria-label={t("app.status")}
      className="flex h-6 shrink-0 items-center gap-4 border-t border-line bg-surface px-3 text-xs text-muted"
    >
      <button type="button" onClick={onEngine} className="flex items-center gap-1.5 hover:text-ink">
        <span aria-hidden className={`status-light size-2 rounded-full ${light}`} />
        <span data-testid="engine-state">{text}</span>
      </button>
      {status !== null && status.residentBytes > 0 && (
        <span title={t("app.memoryHelp")}>
          {t("app.memory", {
            used: formatBytes(status.residentBytes),
            total: formatBytes(status.systemBytes),
          })}
        </span>
      )}
      {status !== null && status.vramTotalBytes > 0 && (
        <span title={t("app.vramHelp")}>
          {t("app.vram", { used: formatBytes(status.vramBytes), total: formatBytes(status.vramTotalBytes) })}
        </span>
      )}
      {status !== null && status.backend !== "" && (
        <span title={t("app.backendHelp")} data-testid="backend">
          {[status.backend, experts].filter((words) => words !== null).join(" · ")}
        </span>
      )}
      <span className="ml-auto" title={t("app.networkHelp")}>
        {t("app.networkOffline")}
      </span>
      {version !== "" && <span>v{version}</span>}
    </footer>
  );
}
