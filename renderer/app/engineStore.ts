// The engine process and this build, for the status bar and the notices.
import { create } from "zustand";
import { toast } from "sonner";
import type { Notice } from "../../electron/contract/app.ts";
import type { EngineStatus } from "../../electron/contract/engine.ts";
import { client, onConnection } from "../platform/client.ts";
import type { ConnectionState } from "../platform/bridge.ts";
import { reportError } from "../platform/toasts.ts";

interface EngineStore {
  readonly status: EngineStatus | null;
  readonly connection: ConnectionState;
  readonly version: string;
}

export const useEngine = create<EngineStore>()(() => ({ status: null, connection: "connecting", version: "" }));

/** Stays until closed: the user must have seen it. One toast per notice, however often it is announced. */
function showNotice(notice: Notice): void {
  toast[notice.level](notice.message, {
    id: notice.id,
    duration: Number.POSITIVE_INFINITY,
    closeButton: true,
    ...(notice.details === undefined ? {} : { description: notice.details }),
  });
}

export function startEngineStore(): void {
  client.engine.on("statusChanged", (status) => useEngine.setState({ status }));
  client.app.on("notice", showNotice);
  client.app.on("fatal", (error) => showNotice({ id: "fatal", level: "error", message: error.message }));
  onConnection((connection) => {
    useEngine.setState({ connection });
    if (connection !== "open") return;
    Promise.all([client.engine.getStatus({}), client.app.getInfo({})])
      .then(([status, info]) => {
        useEngine.setState({ status, version: info.version });
        for (const notice of info.notices) showNotice(notice);
      })
      .catch(reportError);
  });
}
