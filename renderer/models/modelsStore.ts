// The user's models and the one that is loaded, as the services announce them.
import { create } from "zustand";
import type { LoadedModel, Model } from "../../electron/contract/models.ts";
import { reportError } from "../platform/toasts.ts";
import { client, onConnection } from "../platform/client.ts";

interface ModelsStore {
  readonly library: readonly Model[];
  readonly loaded: LoadedModel;
}

export const useModels = create<ModelsStore>()(() => ({ library: [], loaded: { state: "none" } }));

/** A failure that leaves ways out is told beside them; any other as a notice. */
export async function loadModel(modelId: string): Promise<void> {
  try {
    await client.models.load({ modelId });
  } catch (error) {
    const { loaded } = useModels.getState();
    if (loaded.state !== "failed" || loaded.ways === null) reportError(error);
  }
}

export function startModelsStore(): void {
  client.models.on("libraryChanged", (library) => useModels.setState({ library }));
  client.models.on("loadedChanged", (loaded) => useModels.setState({ loaded }));
  onConnection((state) => {
    if (state !== "open") return;
    Promise.all([client.models.list({}), client.models.getLoaded({})])
      .then(([library, loaded]) => useModels.setState({ library, loaded }))
      .catch(reportError);
  });
}
