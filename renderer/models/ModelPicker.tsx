// The pill in the top bar and its list: what is loaded, what is on disk, what is broken; a file of one's own.
import { useEffect, useState, type KeyboardEvent } from "react";
import { Popover } from "radix-ui";
import { ChevronDown, FolderOpen, SlidersHorizontal, X } from "lucide-react";
import type { LoadedModel, Model } from "../../electron/contract/models.ts";
import { t } from "../i18n/texts.ts";
import { errorText } from "../platform/errorText.ts";
import { reportError } from "../platform/toasts.ts";
import { client, inBrowser } from "../platform/client.ts";
import { Button } from "../ui/Button.tsx";
import { formatBytes, formatParameters } from "../ui/format.ts";
import { IconButton } from "../ui/IconButton.tsx";
import { FitBadge } from "./FitBadge.tsx";
import { LoadSheet } from "./LoadSheet.tsx";
import { loadModel, useModels } from "./modelsStore.ts";
import { usePicker } from "./pickerStore.ts";
import { planAll, usePlans } from "./planStore.ts";

const factsOf = (model: Model): string =>
  [
    model.params === model.paramsActive
      ? formatParameters(model.params)
      : `${formatParameters(model.params)}-A${formatParameters(model.paramsActive)}`,
    model.quantisation,
    formatBytes(model.fileBytes),
  ].join(" · ");

const stateLight: Readonly<Record<LoadedModel["state"], string>> = {
  none: "bg-muted",
  loading: "bg-warn animate-pulse",
  ready: "bg-ok",
  failed: "bg-danger",
};

function ModelRow({ model, loaded }: { readonly model: Model; readonly loaded: LoadedModel }) {
  const current = "modelId" in loaded && loaded.modelId === model.id ? loaded : null;
  const planned = usePlans((state) => state.plans[model.id]);
  const load = (): void => {
    usePicker.setState({ open: false });
    void loadModel(model.id);
  };
  const openSheet = (): void => usePicker.setState({ open: false, sheetFor: model.id });
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== "Enter" || !event.altKey) return;
    event.preventDefault();
    openSheet();
  };
  return (
    <li className="group flex items-center rounded-md hover:bg-hover">
      <button
        type="button"
        disabled={model.broken !== null}
        aria-current={current?.state === "ready" ? "true" : undefined}
        onClick={load}
        onKeyDown={onKeyDown}
        className="flex min-h-[52px] min-w-0 flex-1 flex-col justify-center px-3 py-1.5 text-left disabled:cursor-not-allowed"
      >
        <span className="flex w-full items-center gap-2">
          <span className="truncate font-medium">{model.name}</span>
          {model.experts > 0 && (
            <span className="rounded bg-hover px-1.5 text-[11px] text-muted">
              MoE {model.expertsUsed}/{model.experts}
            </span>
          )}
          {current !== null && (
            <span className="text-[11px] text-ok">
              {current.state === "ready" ? t("models.stateLoaded") : t(`models.state-${current.state}`)}
            </span>
          )}
        </span>
        <span className={`truncate text-xs ${model.broken === null ? "text-muted" : "text-danger"}`}>
          {model.broken === null ? factsOf(model) : errorText(model.broken)}
        </span>
        {model.broken === null && planned !== undefined && <FitBadge planned={planned} />}
      </button>
      {model.broken === null && (
        <IconButton label={t("models.optionsOf", { name: model.name })} className="mr-1" onClick={openSheet}>
          <SlidersHorizontal size={14} aria-hidden />
        </IconButton>
      )}
      {model.source === "file" && (
        <IconButton
          label={t("models.forget", { name: model.name })}
          className="mr-2"
          onClick={() => void client.models.remove({ modelId: model.id }).catch(reportError)}
        >
          <X size={14} aria-hidden />
        </IconButton>
      )}
    </li>
  );
}

/** A dialog of the system where there is one; in a browser tab the path is typed. */
function AddFile() {
  const [path, setPath] = useState("");
  if (!inBrowser) {
    return (
      <Button onClick={() => void client.models.pickFile({}).catch(reportError)}>
        <FolderOpen size={14} aria-hidden /> {t("models.useFile")}
      </Button>
    );
  }
  const add = (): void => {
    client.models.addFile({ path: path.trim() }).then(() => setPath(""), reportError);
  };
  return (
    <form
      className="flex gap-2"
      onSubmit={(event) => {
        event.preventDefault();
        add();
      }}
    >
      <input
        aria-label={t("models.filePath")}
        placeholder={t("models.filePathExample")}
        value={path}
        onChange={(event) => setPath(event.target.value)}
        className="h-8 min-w-0 flex-1 rounded-md border border-line bg-canvas px-2 placeholder:text-muted"
      />
      <Button type="submit" disabled={path.trim() === ""}>
        {t("models.add")}
      </Button>
    </form>
  );
}

function LoadProgress({ loaded }: { readonly loaded: LoadedModel }) {
  if (loaded.state !== "loading") return null;
  return (
    <div className="flex items-center gap-2 px-3 py-2 text-xs">
      <progress
        aria-label={t("models.loading")}
        className="h-1.5 flex-1 accent-accent"
        value={loaded.doneBytes}
        max={Math.max(1, loaded.totalBytes)}
      />
      <span className="text-muted">
        {t("models.bytesOf", { done: formatBytes(loaded.doneBytes), total: formatBytes(loaded.totalBytes) })}
      </span>
      <Button onClick={() => void client.models.cancelLoad({}).catch(reportError)}>{t("ui.cancel")}</Button>
    </div>
  );
}

export function ModelPicker() {
  const { library, loaded } = useModels();
  const { open, sheetFor } = usePicker();
  const sheetModel = library.find(({ id }) => id === sheetFor);
  useEffect(() => {
    if (open) void planAll();
  }, [open, library, loaded.state]);
  const [filter, setFilter] = useState("");
  const current = "modelId" in loaded ? library.find((model) => model.id === loaded.modelId) : undefined;
  const matching = library.filter((model) => model.name.toLowerCase().includes(filter.trim().toLowerCase()));
  const groups = [
    { label: t("models.onDisk"), models: matching.filter((model) => model.broken === null) },
    { label: t("models.broken"), models: matching.filter((model) => model.broken !== null) },
  ].filter((group) => group.models.length > 0);
  const title = current === undefined ? t("models.choose") : `${current.name} · ${current.quantisation}`;
  const context = loaded.state === "ready" ? ` · ${t("models.contextTokens", { count: loaded.context })}` : "";

  return (
    <>
      <Popover.Root open={open} onOpenChange={(next) => usePicker.setState({ open: next })}>
        <Popover.Trigger
          aria-label={t("models.pill", { model: `${title}${context}`, state: t(`models.state-${loaded.state}`) })}
          className="flex h-8 max-w-full items-center gap-2 rounded-full border border-line bg-raised px-3 text-[13px] hover:bg-hover"
        >
          <span aria-hidden className={`status-light size-2 shrink-0 rounded-full ${stateLight[loaded.state]}`} />
          <span className="truncate">
            {title}
            {context}
          </span>
          <ChevronDown size={14} aria-hidden className="shrink-0 text-muted" />
        </Popover.Trigger>
        <Popover.Portal>
          <Popover.Content
            aria-label={t("models.title")}
            sideOffset={6}
            className="z-50 flex max-h-[520px] w-[480px] max-w-[94vw] flex-col rounded-xl border border-line bg-raised shadow-2xl"
          >
            <input
              type="search"
              aria-label={t("models.find")}
              placeholder={t("models.find")}
              value={filter}
              onChange={(event) => setFilter(event.target.value)}
              className="m-2 h-8 rounded-md border border-line bg-canvas px-2.5 placeholder:text-muted"
            />
            <LoadProgress loaded={loaded} />
            {loaded.state === "failed" && (
              <p role="alert" className="px-3 pb-2 text-xs text-danger">
                {errorText(loaded.error)}
              </p>
            )}
            <div className="min-h-0 flex-1 overflow-y-auto px-2">
              {groups.map((group) => (
                <section key={group.label} aria-label={group.label}>
                  <h3 className="px-3 py-1 text-xs font-medium text-muted">{group.label}</h3>
                  <ul>
                    {group.models.map((model) => (
                      <ModelRow key={model.id} model={model} loaded={loaded} />
                    ))}
                  </ul>
                </section>
              ))}
              {groups.length === 0 && <p className="px-3 py-2 text-muted">{t("models.notFound", { query: filter })}</p>}
            </div>
            <div className="border-t border-line p-2">
              <AddFile />
            </div>
          </Popover.Content>
        </Popover.Portal>
      </Popover.Root>
      {sheetModel !== undefined && (
        <LoadSheet model={sheetModel} onClose={() => usePicker.setState({ sheetFor: null })} />
      )}
    </>
  );
}
