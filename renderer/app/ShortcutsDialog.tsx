// Every command with its keys. A click on the keys waits for others; a combination belongs to one command only.
import { useState, type KeyboardEvent } from "react";
import { RotateCcw } from "lucide-react";
import { t } from "../i18n/texts.ts";
import { updateSettings, useSettings } from "../platform/settingsStore.ts";
import type { Action } from "../ui/action.ts";
import { IconButton } from "../ui/IconButton.tsx";
import { Modal } from "../ui/Modal.tsx";
import { actions, keysFor, keysOf, keysText } from "./commands.ts";
import { useShell } from "./shellStore.ts";

const modifiers = new Set(["Control", "Shift", "Alt", "Meta", "AltGraph"]);
const all: readonly Action[] = Object.values(actions);

/** Why these keys cannot be taken; null: they can. */
export function refusal(action: Action, keys: string): string | null {
  const taken = all.find((other) => other.id !== action.id && keysFor(other).includes(keys));
  if (taken !== undefined) return t("app.keysTaken", { keys: keysText(keys), command: taken.label });
  const parts = keys.split("+");
  const safe = parts.includes("mod") || parts.includes("alt") || /^f\d{1,2}$/.test(parts.at(-1) ?? "");
  return safe ? null : t("app.keysForTyping", { keys: keysText(keys) });
}

export function bind(action: Action, keys: readonly string[] | null): void {
  const { [action.id]: _, ...others } = useSettings.getState().shortcuts;
  updateSettings({ shortcuts: keys === null ? others : { ...others, [action.id]: [...keys] } });
}

function Row({ action }: { readonly action: Action }) {
  const own = useSettings((settings) => settings.shortcuts[action.id]);
  const [waiting, setWaiting] = useState(false);
  const [complaint, setComplaint] = useState("");
  const shown = (own ?? action.keys ?? []).map((keys) => keysText(keys));
  const onKeyDown = (event: KeyboardEvent): void => {
    if (!waiting || modifiers.has(event.key) || event.key === "Tab" || event.key === "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    const keys = keysOf(event);
    const why = refusal(action, keys);
    setComplaint(why ?? "");
    if (why !== null) return;
    setWaiting(false);
    bind(action, [keys]);
  };
  const text = waiting ? t("app.pressKeys") : (shown[0] ?? t("app.noKeys"));
  return (
    <li className="flex items-center justify-between gap-4 border-b border-line/60 py-1.5 last:border-0">
      <div className="min-w-0">
        <span>{action.label}</span>
        <p role="status" className="text-xs text-danger">
          {complaint}
        </p>
      </div>
      <div className="flex shrink-0 items-center gap-1">
        {own !== undefined && (
          <IconButton label={t("app.usualKeysFor", { command: action.label })} onClick={() => bind(action, null)}>
            <RotateCcw size={13} aria-hidden />
          </IconButton>
        )}
        <button
          type="button"
          aria-label={t("app.keysFor", { command: action.label, keys: text })}
          aria-pressed={waiting}
          onClick={() => {
            setComplaint("");
            setWaiting(!waiting);
          }}
          onBlur={() => setWaiting(false)}
          onKeyDown={onKeyDown}
          className="h-7 min-w-24 rounded-md border border-line bg-canvas px-2 text-xs hover:bg-hover aria-pressed:border-accent aria-pressed:text-accent"
        >
          {text}
        </button>
      </div>
    </li>
  );
}

export function ShortcutsDialog() {
  const open = useShell((shell) => shell.shortcutsOpen);
  return (
    <Modal
      open={open}
      title={t("app.shortcuts")}
      description={t("app.shortcutsHelp")}
      width={520}
      onClose={() => useShell.setState({ shortcutsOpen: false })}
    >
      <ul>
        {all.map((action) => (
          <Row key={action.id} action={action} />
        ))}
      </ul>
    </Modal>
  );
}
