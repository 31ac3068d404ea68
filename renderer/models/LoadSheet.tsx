// How one model is loaded: where, with how much context, and what that takes of this machine's memory, before and after.
// Changes are kept for the model as they are made and take effect with the next load.
import { useEffect, useState, type ReactNode } from "react";
import type { LoadedModel, Model } from "../../electron/contract/models.ts";
import type { LoadChanges, Planned } from "../../electron/contract/placement.ts";
import { t } from "../i18n/texts.ts";
import { client } from "../platform/client.ts";
import { deviceName } from "../platform/deviceName.ts";
import { usePlacement } from "../platform/placement.ts";
import { useSettings } from "../platform/settingsStore.ts";
import { reportError } from "../platform/toasts.ts";
import { Button } from "../ui/Button.tsx";
import { formatBytes, formatDateTime, formatTokens } from "../ui/format.ts";
import { Modal } from "../ui/Modal.tsx";
import { fieldLook, NumberRow, Row } from "../ui/rows.tsx";
import { expertsWords } from "./FitBadge.tsx";
import { MemoryBars } from "./MemoryBars.tsx";
import { placementBars, planBars } from "./memoryBars.ts";
import { loadModel, useModels } from "./modelsStore.ts";
import { keepPlan, usePlans } from "./planStore.ts";

const smallestContext = 1024;
const caches = ["fixed", "lru", "lfu"] as const;
const formats = ["F16", "Q8_0"] as const;
const devices = ["auto", "cpu", "gpu"] as const;

/** Powers of two up to what the model was trained for, that, and what is chosen. */
export function contextChoices(trained: number, chosen: number): number[] {
  const choices = new Set<number>();
  for (let tokens = smallestContext; tokens < trained; tokens *= 2) choices.add(tokens);
  if (trained > 0) choices.add(trained);
  if (chosen > 0) choices.add(chosen);
  return [...choices].toSorted((one, other) => one - other);
}

interface ChoiceRowProps<T extends string | number> {
  readonly label: string;
  readonly help?: string;
  /** null: as the app's settings say. */
  readonly value: T | null;
  /** What that comes to now; absent: the model always has its own. */
  readonly asSettings?: string;
  readonly options: readonly (readonly [T, string])[];
  onChange(value: T | undefined): void;
}

function ChoiceRow<T extends string | number>(props: ChoiceRowProps<T>) {
  const { label, help, value, asSettings, options, onChange } = props;
  return (
    <Row label={label} {...(help === undefined ? {} : { help })}>
      {(id) => (
        <select
          id={id}
          className={`${fieldLook} max-w-72`}
          value={value === null ? "" : String(value)}
          onChange={({ target }) => onChange(options.find(([option]) => String(option) === target.value)?.[0])}
        >
          {asSettings !== undefined && <option value="">{t("models.asSettings", { value: asSettings })}</option>}
          {options.map(([option, text]) => (
            <option key={option} value={option}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Row>
  );
}

interface OptionRowsProps {
  readonly model: Model;
  readonly planned: Planned;
  change(changes: LoadChanges): void;
}

function OptionRows({ model, planned: { own, options, plan }, change }: OptionRowsProps) {
  const settings = useSettings();
  const card = plan.machine.card !== "" || plan.machine.noCard !== "" || options.device !== "auto";
  return (
    <>
      <ChoiceRow
        label={t("models.device")}
        value={own.device ?? null}
        asSettings={deviceName(settings.device)}
        options={devices.map((device) => [device, deviceName(device)])}
        onChange={(device) => change({ device: device ?? null })}
      />
      <ChoiceRow
        label={t("models.context")}
        help={t("models.contextTrained", { tokens: model.contextTrained })}
        value={own.context ?? null}
        asSettings={formatTokens(plan.context)}
        options={contextChoices(model.contextTrained, own.context ?? 0).map((tokens) => [tokens, formatTokens(tokens)])}
        onChange={(context) => change({ context: context ?? null })}
      />
      <ChoiceRow
        label={t("models.kvType")}
        help={t("models.kvTypeHelp")}
        value={options.kvType}
        options={formats.map((format) => [format, t(`models.kv-${format}`)])}
        onChange={(kvType) => change({ kvType: kvType ?? null })}
      />
      {model.experts > 0 && card && (
        <ChoiceRow
          label={t("models.expertCache")}
          help={t("models.expertCacheHelp")}
          value={options.expertCache}
          options={caches.map((cache) => [cache, t(`models.cache-${cache}`)])}
          onChange={(expertCache) => change({ expertCache: expertCache ?? null })}
        />
      )}
      {card && (
        <NumberRow
          label={t("models.vram")}
          help={t("models.vramHelp")}
          value={options.vramMb}
          min={0}
          max={1_000_000}
          step={256}
          onChange={(vramMb) => change({ vramMb })}
        />
      )}
    </>
  );
}

/** The engine's own words, as errors have them. */
const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

function Before({ planned: { plan, measured } }: { readonly planned: Planned }) {
  return (
    <>
      <MemoryBars title={t("models.beforeLoad")} bars={planBars(plan, measured)} />
      {(plan.machine.card !== "" || plan.placement === "too-large") && (
        <p className="text-xs text-muted">{sentence(plan.reason)}</p>
      )}
      {plan.machine.noCard !== "" && <p className="text-xs text-warn">{sentence(plan.machine.noCard)}</p>}
      {measured !== null && (
        <p className="mt-1 text-xs">
          {t("models.measured", { size: formatBytes(measured.ram), at: formatDateTime(measured.at) })}
          {measured.vram > 0 && ` · ${t("models.measuredVram", { size: formatBytes(measured.vram) })}`}
        </p>
      )}
    </>
  );
}

function Now({ loaded }: { readonly loaded: Extract<LoadedModel, { state: "ready" }> }): ReactNode {
  const placement = usePlacement((found) => found);
  if (placement === null) return null;
  const facts = [placement.backend, expertsWords(loaded.experts, loaded.expertsOnGpu)].filter((fact) => fact !== null);
  return (
    <div className="mt-3 border-t border-line/60 pt-1">
      <MemoryBars title={t("models.afterLoad")} bars={placementBars(placement)} />
      <p className="text-xs text-muted">{facts.join(" · ")}</p>
    </div>
  );
}

export function LoadSheet({ model, onClose }: { readonly model: Model; onClose(): void }) {
  const { id } = model;
  const planned = usePlans((state) => state.plans[id]);
  const loaded = useModels((state) => state.loaded);
  const [waiting, setWaiting] = useState(false);
  const here = loaded.state === "ready" && loaded.modelId === id ? loaded : null;
  useEffect(() => {
    client.models.getPlan({ modelId: id }).then((found) => keepPlan(id, found), reportError);
  }, [id, loaded.state]);

  const change = async (changes: LoadChanges | null): Promise<void> => {
    setWaiting(true);
    try {
      keepPlan(id, await client.models.setLoadOptions({ modelId: id, options: changes }));
    } catch (error) {
      reportError(error);
    } finally {
      setWaiting(false);
    }
  };
  const load = (): void => {
    onClose();
    void loadModel(id);
  };
  return (
    <Modal open title={t("models.sheetTitle", { name: model.name })} width={560} onClose={onClose}>
      {planned === undefined ? null : (
        <>
          <OptionRows model={model} planned={planned} change={(changes) => void change(changes)} />
          <div aria-live="polite" aria-busy={waiting}>
            <Before planned={planned} />
          </div>
          {here !== null && <Now loaded={here} />}
        </>
      )}
      <div className="mt-4 flex justify-end gap-2">
        <Button disabled={Object.keys(planned?.own ?? {}).length === 0} onClick={() => void change(null)}>
          {t("models.reset")}
        </Button>
        <Button look="primary" onClick={load}>
          {here === null ? t("models.load") : t("models.loadAgain")}
        </Button>
      </div>
    </Modal>
  );
}
