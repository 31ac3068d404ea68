// Asks the experts of this conversation to choose otherwise than they were trained to. An experiment, off until switched on.
import { useEffect, useState } from "react";
import { FlaskConical } from "lucide-react";
import { isUnsteered, maxBias, type Steering } from "../../electron/contract/steering.ts";
import { t } from "../i18n/texts.ts";
import { client } from "../platform/client.ts";
import { formatDecimal } from "../ui/format.ts";
import type { ComparedAnswer } from "./compareSteering.ts";
import type { ExpertPlace } from "./expertTrace.ts";
import { useExpertsView } from "./expertsView.ts";
import { NumberPicker } from "./NumberPicker.tsx";
import { SteerComparison } from "./SteerComparison.tsx";
import { biasOf, tooManyMuted, withBias, type RouterShape } from "./steerEdits.ts";
import { changeSteering, openSteering, useSteering } from "./steeringStore.ts";

const biasStep = 0.5;

function useShape(modelId: string): RouterShape | null {
  const [shape, setShape] = useState<RouterShape | null>(null);
  useEffect(() => {
    let stale = false;
    client.models.list({}).then(
      (models) => {
        if (!stale) setShape(models.find(({ id }) => id === modelId) ?? null);
      },
      () => {},
    );
    return () => {
      stale = true;
    };
  }, [modelId]);
  return shape;
}

interface Editing {
  readonly steering: Steering;
  readonly shape: RouterShape;
  change(this: void, steering: Steering): void;
}

const signed = (bias: number): string => `${bias > 0 ? "+" : ""}${formatDecimal(bias, 1)}`;

const chipLooks = {
  muted: "border-danger text-danger line-through",
  changed: "border-accent text-ink",
  plain: "border-line text-muted",
} as const;

/** A layer's experts; one of them is chosen, and below stands what is done to it. */
function ExpertChips({ steering, layer, experts }: { steering: Steering; layer: number; experts: number }) {
  const chosen = useExpertsView((view) => view.expert);
  return (
    <div role="group" aria-label={t("experts.expertsOfLayer", { layer })} className="flex flex-wrap gap-1">
      {Array.from({ length: experts }, (_, expert) => {
        const bias = biasOf(steering, { layer, expert });
        const look = bias === null ? "muted" : bias === 0 ? "plain" : "changed";
        return (
          <button
            key={expert}
            type="button"
            aria-pressed={expert === chosen}
            onClick={() => useExpertsView.setState({ expert })}
            className={`rounded border px-1.5 py-0.5 font-mono text-[11px] hover:bg-hover aria-pressed:bg-hover aria-pressed:outline-2 aria-pressed:outline-accent ${chipLooks[look]}`}
          >
            E{expert}
            {bias === null ? (
              <span className="sr-only"> {t("experts.muted")}</span>
            ) : (
              bias !== 0 && <span> {signed(bias)}</span>
            )}
          </button>
        );
      })}
    </div>
  );
}

function OneExpert({ steering, change, place }: Editing & { readonly place: ExpertPlace }) {
  const bias = biasOf(steering, place);
  const set = (next: number | null): void => change(withBias(steering, place, next));
  return (
    <fieldset className="flex min-w-0 flex-col gap-2 rounded-md border border-line p-2 text-[13px]">
      <legend className="px-1 text-xs text-muted">{t("experts.place", { ...place })}</legend>
      <label className="flex items-center gap-2">
        <input type="checkbox" checked={bias === null} onChange={(event) => set(event.target.checked ? null : 0)} />
        {t("experts.mute")}
      </label>
      <label className={`flex items-center gap-2 ${bias === null ? "opacity-50" : ""}`}>
        <span className="whitespace-nowrap">{t("experts.boost")}</span>
        <input
          type="range"
          min={-maxBias}
          max={maxBias}
          step={biasStep}
          value={bias ?? 0}
          disabled={bias === null}
          onChange={(event) => set(Number(event.target.value))}
          className="min-w-0 flex-1 accent-[var(--accent)]"
        />
        <span className="w-10 text-right font-mono text-xs">{bias === null ? "–" : signed(bias)}</span>
      </label>
    </fieldset>
  );
}

function ExpertsPerToken({ steering, shape, change }: Editing) {
  return (
    <label className="flex items-center justify-between gap-2 text-[13px]">
      {t("experts.perToken")}
      <select
        value={steering.expertsUsed ?? shape.expertsUsed}
        onChange={(event) => {
          const wanted = Number(event.target.value);
          change({ ...steering, expertsUsed: wanted === shape.expertsUsed ? null : wanted });
        }}
        className="rounded border border-line bg-raised px-1 py-0.5"
      >
        {Array.from({ length: shape.expertsUsed }, (_, index) => shape.expertsUsed - index).map((count) => (
          <option key={count} value={count}>
            {count === shape.expertsUsed ? t("experts.countAsTrained", { count: String(count) }) : count}
          </option>
        ))}
      </select>
    </label>
  );
}

function Controls(editing: Editing) {
  const { steering, shape, change } = editing;
  const { layer: wantedLayer, expert: wantedExpert } = useExpertsView();
  const layer = Math.min(wantedLayer, shape.moeLayers - 1);
  const impossible = tooManyMuted(steering, shape);
  return (
    <>
      <ExpertsPerToken {...editing} />
      <div className="flex items-center justify-between">
        <NumberPicker
          label={t("experts.layer")}
          value={layer}
          count={shape.moeLayers}
          onPick={(picked) => useExpertsView.setState({ layer: picked })}
        />
        <button
          type="button"
          disabled={isUnsteered(steering)}
          onClick={() => change({ ...steering, expertsUsed: null, biases: [] })}
          className="min-h-6 rounded px-1.5 py-0.5 text-[13px] text-accent hover:underline disabled:text-muted disabled:no-underline disabled:opacity-60"
        >
          {t("experts.resetSteering")}
        </button>
      </div>
      <ExpertChips steering={steering} layer={layer} experts={shape.experts} />
      <OneExpert {...editing} place={{ layer, expert: Math.min(wantedExpert, shape.experts - 1) }} />
      {impossible !== null && (
        <p role="alert" className="text-[13px] text-danger">
          {t("experts.tooManyMuted", { ...impossible })}
        </p>
      )}
    </>
  );
}

interface SteerViewProps {
  readonly conversationId: string;
  readonly answer: ComparedAnswer;
  readonly growing: boolean;
}

export function SteerView({ conversationId, answer, growing }: SteerViewProps) {
  const { modelId } = answer.run;
  const shape = useShape(modelId);
  const { chosen, conversationId: opened } = useSteering();
  useEffect(() => void openSteering(conversationId), [conversationId]);
  if (shape === null || opened !== conversationId) return null;

  const own = chosen?.steering.modelId === modelId ? chosen : null;
  const steering = own?.steering ?? { modelId, expertsUsed: null, biases: [] };
  const on = own?.on ?? false;
  const hindrance = growing
    ? t("experts.waitForAnswer")
    : !on || isUnsteered(steering)
      ? t("experts.nothingSteered")
      : tooManyMuted(steering, shape) === null
        ? null
        : t("experts.muteFewer");
  return (
    <>
      <p className="flex gap-2 rounded-md border border-warn p-2 text-xs">
        <FlaskConical size={16} aria-hidden className="shrink-0 text-warn" />
        <span>
          <strong className="text-warn">{t("experts.experimental")}</strong> {t("experts.steerHelp")}
        </span>
      </p>
      <label className="flex items-center gap-2 text-[13px] font-medium">
        <input
          type="checkbox"
          checked={on}
          onChange={(event) => changeSteering(event.target.checked, steering, shape)}
        />
        {t("experts.steerConversation")}
      </label>
      {on && <Controls steering={steering} shape={shape} change={(next) => changeSteering(true, next, shape)} />}
      {on && (
        <SteerComparison conversationId={conversationId} answer={answer} steering={steering} hindrance={hindrance} />
      )}
    </>
  );
}
