// A load that failed for want of memory: the engine's sentence, and what would let the model be loaded after all.
import type { LoadOptions } from "../../electron/contract/placement.ts";
import { t } from "../i18n/texts.ts";
import { client } from "../platform/client.ts";
import { errorText } from "../platform/errorText.ts";
import { reportError } from "../platform/toasts.ts";
import { Button } from "../ui/Button.tsx";
import { formatTokens } from "../ui/format.ts";
import { loadModel, useModels } from "./modelsStore.ts";

export function FailedLoad() {
  const loaded = useModels((state) => state.loaded);
  if (loaded.state !== "failed" || loaded.ways === null) return null;
  const { modelId, error, ways } = loaded;
  const { context } = ways;
  const loadWith = async (options: Partial<LoadOptions>): Promise<void> => {
    try {
      await client.models.setLoadOptions({ modelId, options });
    } catch (failure) {
      reportError(failure);
      return;
    }
    await loadModel(modelId);
  };
  return (
    <div role="alert" className="mx-auto flex w-full max-w-[768px] flex-wrap items-center gap-2 px-7 py-2 text-[13px]">
      <p className="min-w-60 flex-1 text-danger">{errorText(error)}</p>
      {context !== null && (
        <Button onClick={() => void loadWith({ context })}>
          {t("models.shorterContext", { tokens: formatTokens(context) })}
        </Button>
      )}
      {ways.processor && <Button onClick={() => void loadWith({ device: "cpu" })}>{t("models.onProcessor")}</Button>}
    </div>
  );
}
