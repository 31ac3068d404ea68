// How the answers of the model at hand are drafted: whether, how far ahead, and by which file. The models service says which
// drafters there are and why one does not fit.
import { useEffect, useState } from "react";
import { maxDraftLength } from "../../electron/contract/chat.ts";
import type { Drafting, DraftingState } from "../../electron/contract/models.ts";
import { toWire } from "../../electron/contract/errors.ts";
import { t } from "../i18n/texts.ts";
import { client, inBrowser } from "../platform/client.ts";
import { updateSettings, useSettings } from "../platform/settingsStore.ts";
import { Button } from "../ui/Button.tsx";
import { fieldLook, NumberRow, Row } from "../ui/rows.tsx";

interface Subject {
  readonly id: string;
  readonly name: string;
  readonly state: DraftingState;
}

/** The loaded model; before one is loaded, the one that would be. */
async function readSubject(lastModelId: string | null): Promise<Subject | null> {
  const [library, loaded] = await Promise.all([client.models.list({}), client.models.getLoaded({})]);
  const wanted = "modelId" in loaded ? loaded.modelId : lastModelId;
  const model = library.find(({ id }) => id === wanted) ?? library[0];
  if (model === undefined) return null;
  return { id: model.id, name: model.name, state: await client.models.getDrafting({ modelId: model.id }) };
}

const modes = ["off", "auto", "fixed"] as const;

interface DrafterRowProps {
  readonly subject: Subject;
  choose(drafter: string | null): void;
  pick(): void;
}

function DrafterRow({ subject: { state }, choose, pick }: DrafterRowProps) {
  const [path, setPath] = useState("");
  return (
    <Row label={t("settings.drafter")} help={t("settings.drafterHelp")}>
      {(id) => (
        <div className="flex w-72 flex-col gap-2">
          <select
            id={id}
            value={state.drafter ?? ""}
            className={fieldLook}
            onChange={({ target }) => choose(target.value === "" ? null : target.value)}
          >
            <option value="">{t("settings.drafterNone")}</option>
            {state.drafters.map((drafter) => (
              <option key={drafter.id} value={drafter.id}>
                {drafter.name} · {t(`settings.drafter-${drafter.kind}`)}
              </option>
            ))}
            {state.trouble !== null && state.drafter !== null && <option value={state.drafter}>{state.drafter}</option>}
          </select>
          {inBrowser ? (
            <form
              className="flex gap-2"
              onSubmit={(event) => {
                event.preventDefault();
                choose(path.trim());
              }}
            >
              <input
                aria-label={t("settings.drafterPath")}
                value={path}
                onChange={(event) => setPath(event.target.value)}
                className={`${fieldLook} min-w-0 flex-1 placeholder:text-muted`}
              />
              <Button type="submit" disabled={path.trim() === ""}>
                {t("settings.drafterUse")}
              </Button>
            </form>
          ) : (
            <Button onClick={pick}>{t("settings.drafterPick")}</Button>
          )}
        </div>
      )}
    </Row>
  );
}

export function DraftingRows() {
  const { lastModelId, tintDrafts } = useSettings();
  const [subject, setSubject] = useState<Subject | null>(null);
  const [refusal, setRefusal] = useState<string | null>(null);
  const refuse = (error: unknown): void => setRefusal(toWire(error).message);
  useEffect(() => {
    let here = true;
    readSubject(lastModelId)
      .then((found) => here && setSubject(found))
      .catch((error: unknown) => here && setRefusal(toWire(error).message));
    return () => {
      here = false;
    };
  }, [lastModelId]);

  const show = (state: DraftingState | null): void => {
    setRefusal(null);
    if (state !== null && subject !== null) setSubject({ ...subject, state });
  };
  const set = (values: Partial<Drafting>): void => {
    if (subject !== null) client.models.setDrafting({ modelId: subject.id, ...values }).then(show, refuse);
  };
  const trouble = refusal ?? subject?.state.trouble?.message ?? null;
  return (
    <>
      {subject !== null && (
        <Row label={t("settings.draftMode", { model: subject.name })} help={t("settings.draftModeHelp")}>
          {(id) => (
            <select
              id={id}
              value={subject.state.mode}
              className={fieldLook}
              onChange={({ target }) => {
                const mode = modes.find((known) => known === target.value);
                if (mode !== undefined) set({ mode });
              }}
            >
              {modes.map((mode) => (
                <option key={mode} value={mode}>
                  {t(`settings.draft-${mode}`)}
                </option>
              ))}
            </select>
          )}
        </Row>
      )}
      {subject?.state.mode === "fixed" && (
        <NumberRow
          label={t("settings.draftLength")}
          help={t("settings.draftLengthHelp")}
          value={subject.state.length}
          min={1}
          max={maxDraftLength}
          step={1}
          onChange={(length) => set({ length })}
        />
      )}
      {subject !== null && subject.state.mode !== "off" && (
        <DrafterRow
          subject={subject}
          choose={(drafter) => set({ drafter })}
          pick={() => void client.models.pickDrafter({ modelId: subject.id }).then(show, refuse)}
        />
      )}
      {trouble !== null && (
        <p role="alert" className="py-2 text-xs text-danger">
          {trouble}
        </p>
      )}
      <Row label={t("settings.tintDrafts")} help={t("settings.tintDraftsHelp")}>
        {(id) => (
          <input
            id={id}
            type="checkbox"
            checked={tintDrafts}
            onChange={(event) => updateSettings({ tintDrafts: event.target.checked })}
          />
        )}
      </Row>
    </>
  );
}
