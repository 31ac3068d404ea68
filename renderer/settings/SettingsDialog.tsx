// Preferences, each row with label, help and control; changes apply at once unless the row says otherwise.
import { useId, type ReactNode } from "react";
import type { Settings } from "../../electron/contract/settings.ts";
import { Modal } from "../ui/Modal.tsx";
import { AboutRows } from "./AboutRows.tsx";
import { updateSettings, useSettings } from "../platform/settingsStore.ts";

interface RowProps {
  readonly label: string;
  readonly help?: string;
  children(id: string): ReactNode;
}

function Row({ label, help, children }: RowProps) {
  const id = useId();
  return (
    <div className="flex items-start justify-between gap-4 border-b border-line/60 py-3 last:border-0">
      <div className="min-w-0">
        <label htmlFor={id} className="font-medium">
          {label}
        </label>
        {help !== undefined && <p className="text-xs text-muted">{help}</p>}
      </div>
      {children(id)}
    </div>
  );
}

const fieldLook = "h-8 rounded-md border border-line bg-canvas px-2";

interface ChoiceProps<K extends keyof Settings> {
  readonly name: K;
  readonly label: string;
  readonly help?: string;
  readonly options: readonly (readonly [Settings[K] & string, string])[];
}

function Choice<K extends "theme" | "sendWith" | "chatTemplate">({ name, label, help, options }: ChoiceProps<K>) {
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

interface NumberRowProps {
  readonly label: string;
  readonly help: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  onChange(value: number): void;
}

function NumberRow({ label, help, value, min, max, step, onChange }: NumberRowProps) {
  return (
    <Row label={label} help={help}>
      {(id) => (
        <input
          id={id}
          type="number"
          key={value}
          defaultValue={value}
          min={min}
          max={max}
          step={step}
          className={`${fieldLook} w-28`}
          onBlur={(event) => {
            const next = Number(event.target.value);
            if (event.target.value !== "" && event.target.validity.valid && next !== value) onChange(next);
            else event.target.value = String(value);
          }}
        />
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
        label="Temperature"
        help="0 always takes the likeliest word."
        value={sampler.temperature}
        min={0}
        max={5}
        step={0.05}
        onChange={(temperature) => set({ temperature })}
      />
      <NumberRow
        label="Top-k"
        help="Choose among this many words; 0 is off."
        value={sampler.topK}
        min={0}
        max={1000}
        step={1}
        onChange={(topK) => set({ topK })}
      />
      <NumberRow
        label="Top-p"
        help="Keep words up to this share of probability; 1 is off."
        value={sampler.topP}
        min={0}
        max={1}
        step={0.01}
        onChange={(topP) => set({ topP })}
      />
      <NumberRow
        label="Min-p"
        help="Drop words less likely than this share of the likeliest; 0 is off."
        value={sampler.minP}
        min={0}
        max={1}
        step={0.01}
        onChange={(minP) => set({ minP })}
      />
      <NumberRow
        label="Repetition penalty"
        help="1 is off."
        value={sampler.repetitionPenalty}
        min={0.1}
        max={10}
        step={0.05}
        onChange={(repetitionPenalty) => set({ repetitionPenalty })}
      />
      <NumberRow
        label="Longest answer"
        help="In tokens."
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
    <Modal open={open} title="Settings" width={600} onClose={onClose}>
      <Section title="Appearance">
        <Choice
          name="theme"
          label="Theme"
          options={[
            ["system", "As the system"],
            ["light", "Light"],
            ["dark", "Dark"],
          ]}
        />
        <Row label="Wide column" help="1040 px instead of 768 for the conversation.">
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
      <Section title="Chat">
        <Choice
          name="sendWith"
          label="Send with"
          options={[
            ["enter", "Enter"],
            ["mod-enter", "Ctrl/Cmd + Enter"],
          ]}
        />
        <Row label="Titles by the model" help="In idle time after the first answer. Small models are not asked.">
          {(id) => (
            <input
              id={id}
              type="checkbox"
              checked={settings.titleByModel}
              onChange={(event) => updateSettings({ titleByModel: event.target.checked })}
            />
          )}
        </Row>
        <Row label="System prompt" help="What the model is told before every new conversation.">
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
      <Section title="Engine">
        <NumberRow
          label="Threads"
          help="0: one per physical core. Takes effect when a model is next loaded."
          value={settings.threads}
          min={0}
          max={256}
          step={1}
          onChange={(threads) => updateSettings({ threads })}
        />
        <NumberRow
          label="Context"
          help="Tokens kept; 0: as trained, at most 8192. Takes effect when a model is next loaded."
          value={settings.context}
          min={0}
          max={1_048_576}
          step={256}
          onChange={(context) => updateSettings({ context })}
        />
        <NumberRow
          label="Room for warm templates"
          help="Megabytes on disk for their computed beginnings; 0 keeps none there."
          value={settings.prefixCacheMb}
          min={0}
          max={1_000_000}
          step={256}
          onChange={(prefixCacheMb) => updateSettings({ prefixCacheMb })}
        />
        <Choice
          name="chatTemplate"
          label="Chat template"
          help="Takes effect when a model is next loaded."
          options={[
            ["model", "The model's own"],
            ["chatml", "ChatML"],
            ["plain", "Plain"],
          ]}
        />
      </Section>
      <Section title="About">
        <AboutRows />
      </Section>
    </Modal>
  );
}
