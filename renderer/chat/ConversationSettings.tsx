// How the open conversation is answered: presets, system prompt, sampling. What is not set here is as in Settings, and
// each row says which of the two it is.
import { useId, useState, type FormEvent } from "react";
import { RotateCcw, Trash2 } from "lucide-react";
import { t } from "../i18n/texts.ts";
import { useSettings } from "../platform/settingsStore.ts";
import { Button } from "../ui/Button.tsx";
import { IconButton } from "../ui/IconButton.tsx";
import { Menu, MenuItem, MenuSeparator, SubMenu } from "../ui/Menu.tsx";
import {
  applyPreset,
  changeManner,
  deletePreset,
  plainManner,
  savePreset,
  type Manner,
} from "./actions/settingsActions.ts";
import { useChat } from "./chatStore.ts";
import { samplerFields, without, type SamplerField } from "./samplerFields.ts";

const fieldLook = "rounded-md border border-line bg-canvas px-2 placeholder:text-muted";

function useManner(): Manner {
  return useChat(({ conversations, openId }) => conversations.find(({ id }) => id === openId) ?? plainManner);
}

function Presets() {
  const presets = useSettings((settings) => settings.presets);
  const [naming, setNaming] = useState(false);
  const save = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const name = new FormData(event.currentTarget).get("name");
    if (typeof name === "string" && name.trim() !== "") savePreset(name);
    setNaming(false);
  };
  if (naming) {
    return (
      <form onSubmit={save} className="flex gap-2">
        <input
          name="name"
          aria-label={t("chat.presetName")}
          placeholder={t("ui.name")}
          maxLength={100}
          // The reader has just asked to type here.
          // oxlint-disable-next-line jsx-a11y/no-autofocus
          autoFocus
          className={`${fieldLook} h-8 min-w-0 flex-1`}
          onKeyDown={(event) => {
            if (event.key === "Escape") setNaming(false);
          }}
        />
        <Button type="submit" look="primary">
          {t("ui.save")}
        </Button>
      </form>
    );
  }
  return (
    <Menu trigger={<Button className="w-full">{t("chat.presets")}</Button>}>
      {presets.map((preset) => (
        <MenuItem key={preset.id} label={preset.name} onSelect={() => void applyPreset(preset)} />
      ))}
      <MenuItem
        label={t("chat.asInSettings")}
        onSelect={() => void applyPreset({ name: t("chat.asInSettings"), ...plainManner })}
      />
      <MenuSeparator />
      <MenuItem label={t("chat.savePreset")} movesFocus onSelect={() => setNaming(true)} />
      {presets.length > 0 && (
        <SubMenu label={t("chat.deletePreset")}>
          {presets.map((preset) => (
            <MenuItem key={preset.id} label={preset.name} danger onSelect={() => deletePreset(preset)} />
          ))}
        </SubMenu>
      )}
    </Menu>
  );
}

function SystemPrompt({ value }: { readonly value: string }) {
  const id = useId();
  const general = useSettings((settings) => settings.systemPrompt);
  return (
    <div>
      <div className="mb-1 flex h-7 items-center justify-between">
        <label htmlFor={id} className="font-medium">
          {t("settings.systemPrompt")}
        </label>
        {value !== "" && (
          <IconButton
            label={t("chat.fieldAsInSettings", { field: t("settings.systemPrompt") })}
            onClick={() => void changeManner({ systemPrompt: "" })}
          >
            <Trash2 size={14} aria-hidden />
          </IconButton>
        )}
      </div>
      <textarea
        id={id}
        rows={4}
        key={value}
        defaultValue={value}
        placeholder={general === "" ? t("chat.systemPlaceholder") : t("chat.systemAsInSettings", { text: general })}
        className={`${fieldLook} w-full resize-y p-2`}
        onBlur={(event) => {
          if (event.target.value !== value) void changeManner({ systemPrompt: event.target.value });
        }}
      />
    </div>
  );
}

function Row({ field, manner }: { readonly field: SamplerField; readonly manner: Manner }) {
  const id = useId();
  const label = t(`settings.${field.key}`);
  const general = useSettings((settings) => settings.sampler[field.key]);
  const own = manner.sampler[field.key];
  const isSet = own !== undefined && own !== null;
  const shown = isSet ? String(own) : "";
  const clear = (): void => void changeManner({ sampler: without(manner.sampler, field.key) });
  const set = (text: string, valid: boolean): boolean => {
    if (text === shown) return true;
    if (text === "") clear();
    else if (valid) void changeManner({ sampler: { ...manner.sampler, [field.key]: Number(text) } });
    return text === "" || valid;
  };
  return (
    <div className="flex items-center justify-between gap-2 py-1">
      <div className="min-w-0">
        <label htmlFor={id}>{label}</label>
        <p id={`${id}-help`} className="text-xs text-muted">
          {t(`settings.${field.key}Help`)}
        </p>
      </div>
      <div className="flex shrink-0 items-center">
        <IconButton
          label={t("chat.fieldAsInSettings", { field: label })}
          onClick={clear}
          className={isSet ? "" : "invisible"}
        >
          <RotateCcw size={13} aria-hidden />
        </IconButton>
        <input
          id={id}
          type="number"
          key={shown}
          defaultValue={shown}
          placeholder={general === null ? t("chat.random") : String(general)}
          min={field.min}
          max={field.max}
          step={field.step}
          aria-describedby={`${id}-help`}
          className={`h-8 w-20 rounded-md border bg-canvas px-2 tabular-nums placeholder:text-muted ${isSet ? "border-accent" : "border-line"}`}
          onKeyDown={(event) => {
            if (event.key === "Enter") event.currentTarget.blur();
          }}
          onBlur={(event) => {
            if (!set(event.target.value, event.target.validity.valid)) event.target.value = shown;
          }}
        />
      </div>
    </div>
  );
}

export function ConversationSettings() {
  const manner = useManner();
  return (
    <div className="flex flex-col gap-4 p-3 text-[13px]">
      <p className="text-xs text-muted">{t("chat.forThisConversation")}</p>
      <Presets />
      <SystemPrompt value={manner.systemPrompt} />
      <section aria-label={t("chat.sampling")} className="flex flex-col">
        <h3 className="mb-1 font-medium">{t("chat.sampling")}</h3>
        {samplerFields.map((field) => (
          <Row key={field.key} field={field} manner={manner} />
        ))}
      </section>
    </div>
  );
}
