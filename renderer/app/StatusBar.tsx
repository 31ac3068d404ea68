// The bottom line: what the engine does, how fast, with how much memory, and whether anything leaves this machine.
import { client } from "../platform/client.ts";
import { usePicker } from "../models/pickerStore.ts";
import { formatBytes, formatCount } from "../ui/format.ts";
import { useEngine } from "./engineStore.ts";
import { reportError } from "../platform/toasts.ts";
import { useModels } from "../models/modelsStore.ts";

function useStateText(): { readonly text: string; readonly light: string } {
  const { status, connection } = useEngine();
  const loaded = useModels((state) => state.loaded);
  if (connection === "lost") return { text: "Connection lost, trying again…", light: "bg-danger" };
  if (status === null) return { text: "Connecting…", light: "bg-muted" };
  switch (status.state) {
    case "stopped":
      return { text: "Idle", light: "bg-muted" };
    case "idle":
      return { text: "Idle", light: "bg-ok" };
    case "starting":
      return { text: "Starting the engine…", light: "bg-warn" };
    case "loading": {
      const share = loaded.state === "loading" ? loaded.doneBytes / Math.max(1, loaded.totalBytes) : 0;
      return { text: `Loading ${Math.round(share * 100)} %`, light: "bg-warn" };
    }
    case "prompt": {
      const { prefill } = status;
      const progress = prefill === null ? "" : ` ${formatCount(prefill.done)}/${formatCount(prefill.total)}`;
      return { text: `Prompt${progress}`, light: "bg-accent" };
    }
    case "generating":
      return { text: `Generating ${status.tokensPerSecond.toFixed(0)} tok/s`, light: "bg-accent" };
    case "crashed":
      return { text: "The engine stopped; it starts again with the next message", light: "bg-danger" };
    case "given-up":
      return { text: "The engine stopped three times: click to restart", light: "bg-danger" };
  }
}

export function StatusBar() {
  const { status, version } = useEngine();
  const { text, light } = useStateText();
  const onEngine = (): void => {
    if (status?.state === "given-up") client.engine.restart({}).catch(reportError);
    else usePicker.setState({ open: true });
  };
  return (
    <footer
      aria-label="Status"
      className="flex h-6 shrink-0 items-center gap-4 border-t border-line bg-surface px-3 text-xs text-muted"
    >
      <button type="button" onClick={onEngine} className="flex items-center gap-1.5 hover:text-ink">
        <span aria-hidden className={`size-2 rounded-full ${light}`} />
        <span data-testid="engine-state">{text}</span>
      </button>
      {status !== null && status.residentBytes > 0 && (
        <span title="Memory of the engine process, of this machine's">
          Memory {formatBytes(status.residentBytes)} of {formatBytes(status.systemBytes)}
        </span>
      )}
      {status !== null && status.backend !== "" && <span>{status.backend}</span>}
      <span className="ml-auto" title="Conclave makes no network connections of its own">
        Network: offline
      </span>
      {version !== "" && <span>v{version}</span>}
    </footer>
  );
}
