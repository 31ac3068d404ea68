// Preferences, each row with label, help and control; changes apply at once unless the row says otherwise.
import type { ReactNode } from "react";
import type { Settings } from "../../electron/contract/settings.ts";
import { languageNames, languages } from "../i18n/languages.ts";
import { t } from "../i18n/texts.ts";
import { Modal } from "../ui/Modal.tsx";
import { AboutRows } from "./AboutRows.tsx";
import { DraftingRows } from "./DraftingRows.tsx";
import { fieldLook, NumberRow, Row } from "../ui/rows.tsx";
import { deviceName } from "../platform/deviceName.ts";
import { updateSettings, useSettings } from "../platform/settingsStore.ts";

interface ChoiceProps<K extends keyof Settings> {
  readonly name: K;
  readonly label: string;
  readonly help?: string;
  readonly options: readonly (readonly [Settings[K] & string, string])[];
}

function Choice<K extends "language" | "theme" | "sendWith" | "chatTemplate" | "device">({
  name,
  label,
  help,
  options,
}: ChoiceProps<K>) {
  const value = useSettings((settings) => settings[name]);
  return (
    <Row label={label} {...(help === undefined ? {} : { help })}>
      {(id) => (
        <select
          id={id}
          value={value}
          className={fieldLook}
          onChange={(event) => {
            const chosen = options.find(([option]) => option === event.target.value)?.[0];
            if (chosen !== undefined) updateSettings({ [name]: chosen });
          }}
        >
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

function SamplerRows() {
  const sampler = useSettings((settings) => settings.sampler);
  const set = (change: Partial<Settings["sampler"]>): void => updateSettings({ sampler: { ...sampler, ...change } });
  return (
    <>
      <NumberRow
        label={t("settings.temperature")}
        help={t("settings.temperatureHelp")}
        value={sampler.temperature}
        min={0}
        max={5}
        step={0.05}
        onChange={(temperature) => set({ temperature })}
      />
      <NumberRow
        label="Top-k"
        help={t("settings.topKHelp")}
        value={sampler.topK}
        min={0}
        max={1000}
        step={1}
        onChange={(topK) => set({ topK })}
      />
      <NumberRow
        label="Top-p"
        help={t("settings.topPHelp")}
        value={sampler.topP}
        min={0}
        max={1}
        step={0.01}
        onChange={(topP) => set({ topP })}
      />
      <NumberRow
        label="Min-p"
        help={t("settings.minPHelp")}
        value={sampler.minP}
        min={0}
        max={1}
        step={0.01}
        onChange={(minP) => set({ minP })}
      />
      <NumberRow
        label={t("settings.repetitionPenalty")}
        help={t("settings.repetitionPenaltyHelp")}
        value={sampler.repetitionPenalty}
        min={0.1}
        max={10}
        step={0.05}
        onChange={(repetitionPenalty) => set({ repetitionPenalty })}
      />
      <NumberRow
        label={t("settings.maxTokens")}
        help={t("settings.maxTokensHelp")}
        value={sampler.maxTokens}
        min={1}
        max={1_000_000}
        step={1}
        onChange={(maxTokens) => set({ maxTokens })}
      />
    </>
  );
}

function Section({ title, children }: { readonly title: string; readonly children: ReactNode }) {
  return (
    <section aria-label={title} className="mb-5">
      <h3 className="mb-1 text-xs font-semibold tracking-wide text-muted uppercase">{title}</h3>
      {children}
    </section>
  );
}

export function SettingsDialog({ open, onClose }: { readonly open: boolean; onClose(): void }) {
  const settings = useSettings();
  return (
    <Modal open={open} title={t("settings.title")} width={600} onClose={onClose}>
      <Section title={t("settings.appearance")}>
        <Choice
          name="language"
          label={t("settings.language")}
          options={[
            ["system", t("settings.languageSystem")],
            ...languages.map((language) => [language, languageNames[language]] as const),
          ]}
        />
        <Choice
          name="theme"
          label={t("settings.theme")}
          options={[
            ["system", t("settings.themeSystem")],
            ["light", t("settings.themeLight")],
            ["dark", t("settings.themeDark")],
          ]}
        />
        <Row label={t("settings.wideColumn")} help={t("settings.wideColumnHelp")}>
          {(id) => (
            <input
              id={id}
              type="checkbox"
              checked={settings.wideColumn}
              onChange={(event) => updateSettings({ wideColumn: event.target.checked })}
            />
          )}
        </Row>
      </Section>
      <Section title={t("settings.chat")}>
        <Choice
          name="sendWith"
          label={t("settings.sendWith")}
          options={[
            ["enter", t("settings.sendEnter")],
            ["mod-enter", t("settings.sendModEnter")],
          ]}
        />
        <Row label={t("settings.titleByModel")} help={t("settings.titleByModelHelp")}>
          {(id) => (
            <input
              id={id}
              type="checkbox"
              checked={settings.titleByModel}
              onChange={(event) => updateSettings({ titleByModel: event.target.checked })}
            />
          )}
        </Row>
        <Row label={t("settings.systemPrompt")} help={t("settings.systemPromptHelp")}>
          {(id) => (
            <textarea
              id={id}
              rows={3}
              defaultValue={settings.systemPrompt}
              className="w-72 rounded-md border border-line bg-canvas p-2"
              onBlur={(event) => {
                if (event.target.value !== settings.systemPrompt) updateSettings({ systemPrompt: event.target.value });
              }}
            />
          )}
        </Row>
        <SamplerRows />
      </Section>
      <Section title={t("settings.engine")}>
        <Choice
          name="device"
          label={t("settings.device")}
          help={t("settings.deviceHelp")}
          options={(["auto", "cpu", "gpu"] as const).map((device) => [device, deviceName(device)])}
        />
        <NumberRow
          label={t("settings.threads")}
          help={t("settings.threadsHelp")}
          value={settings.threads}
          min={0}
          max={256}
          step={1}
          onChange={(threads) => updateSettings({ threads })}
        />
        <NumberRow
          label={t("settings.context")}
          help={t("settings.contextHelp")}
          value={settings.context}
          min={0}
          max={1_048_576}
          step={256}
          onChange={(context) => updateSettings({ context })}
        />
        <NumberRow
          label={t("settings.prefixCache")}
          help={t("settings.prefixCacheHelp")}
          value={settings.prefixCacheMb}
          min={0}
          max={1_000_000}
          step={256}
          onChange={(prefixCacheMb) => updateSettings({ prefixCacheMb })}
        />
        <Choice
          name="chatTemplate"
          label={t("settings.chatTemplate")}
          help={t("settings.chatTemplateHelp")}
          options={[
            ["model", t("settings.chatTemplateModel")],
            ["chatml", "ChatML"],
            ["plain", t("settings.chatTemplatePlain")],
          ]}
        />
      </Section>
      <Section title={t("settings.drafting")}>
        <DraftingRows />
      </Section>
      <Section title={t("settings.about")}>
        <AboutRows />
      </Section>
    </Modal>
  );
}
