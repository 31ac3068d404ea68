// Every feature's actions in one place, and the shortcuts that call them.
import { attachFile } from "../chat/attachments/attachmentActions.ts";
import { deleteOpen, newChat } from "../chat/actions/conversationActions.ts";
import { exportAll, importConversations, newFolder } from "../chat/actions/libraryActions.ts";
import { copyLastReply, editLast, regenerate, stopRun } from "../chat/actions/messageActions.ts";
import { findInChat } from "../chat/findStore.ts";
import { usePicker } from "../models/pickerStore.ts";
import { t } from "../i18n/texts.ts";
import { updateSettings, useSettings } from "../platform/settingsStore.ts";
import { openTemplates } from "../templates/templateActions.ts";
import type { Action } from "../ui/action.ts";
import { isNarrow } from "./narrow.ts";
import { useShell } from "./shellStore.ts";
import { anyNotice, focusNewestNotice, reportError } from "../platform/toasts.ts";

const toggleSidebar: Action = {
  id: "view.sidebar",
  get label() {
    return t("app.toggleSidebar");
  },
  keys: ["mod+b"],
  perform: () => {
    if (isNarrow()) useShell.setState((shell) => ({ sidebarOver: !shell.sidebarOver }));
    else updateSettings({ sidebarOpen: !useSettings.getState().sidebarOpen });
  },
};

const toggleExperts: Action = {
  id: "view.experts",
  get label() {
    return t("app.toggleExperts");
  },
  keys: ["mod+j"],
  perform: () => updateSettings({ inspectorOpen: !useSettings.getState().inspectorOpen }),
};

const openModels: Action = {
  id: "models.open",
  get label() {
    return t("app.chooseModel");
  },
  keys: ["mod+l"],
  perform: () => usePicker.setState({ open: true }),
};

const openSettings: Action = {
  id: "settings.open",
  get label() {
    return t("settings.title");
  },
  keys: ["mod+,"],
  perform: () => useShell.setState({ settingsOpen: true }),
};

const search: Action = {
  id: "chat.search",
  get label() {
    return t("chat.searchAll");
  },
  keys: ["mod+k"],
  perform: () => {
    if (isNarrow()) useShell.setState({ sidebarOver: true });
    else updateSettings({ sidebarOpen: true });
    requestAnimationFrame(() => document.getElementById("search")?.focus());
  },
};

const openPalette: Action = {
  id: "app.palette",
  get label() {
    return t("app.allCommands");
  },
  keys: ["mod+p"],
  perform: () => useShell.setState({ paletteOpen: true }),
};

const openShortcuts: Action = {
  id: "app.shortcuts",
  get label() {
    return t("app.shortcuts");
  },
  // Where the slash needs Shift the key press says so.
  keys: ["mod+/", "mod+shift+/"],
  perform: () => useShell.setState({ shortcutsOpen: true }),
};

const conversationSettings: Action = {
  id: "view.conversationSettings",
  get label() {
    return t("app.conversationSettings");
  },
  perform: () => {
    useShell.setState({ inspectorTab: "settings" });
    updateSettings({ inspectorOpen: true });
  },
};

const goToNotice: Action = {
  id: "app.notice",
  get label() {
    return t("app.goToNotice");
  },
  keys: ["alt+t"],
  isEnabled: anyNotice,
  perform: focusNewestNotice,
};

export const actions = {
  newChat,
  attachFile,
  editLast,
  deleteOpen,
  findInChat,
  newFolder,
  importConversations,
  exportAll,
  openPalette,
  openShortcuts,
  conversationSettings,
  stopRun,
  regenerate,
  copyLastReply,
  toggleSidebar,
  toggleExperts,
  openModels,
  openTemplates,
  openSettings,
  search,
  goToNotice,
} as const satisfies Record<string, Action>;

type KeyPress = Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "shiftKey" | "altKey"> & { readonly code?: string };

/** The letter on the key: with Option a Mac types another character, † for T. */
function letterOf({ key, altKey, code = "" }: KeyPress): string {
  return altKey && code.startsWith("Key") && !/^[a-z]$/i.test(key) ? code.slice(3) : key;
}

/** 'mod+shift+o' of a key press; mod is Ctrl, or Command on a Mac. */
export function keysOf(event: KeyPress): string {
  return [
    ...(event.ctrlKey || event.metaKey ? ["mod"] : []),
    ...(event.altKey ? ["alt"] : []),
    ...(event.shiftKey ? ["shift"] : []),
    letterOf(event).toLowerCase(),
  ].join("+");
}

/** The keys of an action: the user's, else its own. */
export const keysFor = (action: Action): readonly string[] =>
  useSettings.getState().shortcuts[action.id] ?? action.keys ?? [];

/** Runs the action bound to the keys. A dialog, menu or popover that took Esc for itself has prevented the event. */
export function onShortcut(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing) return;
  const pressed = keysOf(event);
  const action: Action | undefined = Object.values(actions).find((candidate: Action) =>
    keysFor(candidate).includes(pressed),
  );
  if (action === undefined || action.isEnabled?.() === false) return;
  event.preventDefault();
  void Promise.resolve(action.perform()).catch(reportError);
}

const onMac = (): boolean => navigator.platform.startsWith("Mac");

/** The first shortcut of an action, as people write it. */
export function shortcutText(action: Action, mac = onMac()): string | undefined {
  const [keys] = keysFor(action);
  return keys === undefined ? undefined : keysText(keys, mac);
}

/** 'mod+shift+o' -> 'Ctrl+Shift+O', or with Mac symbols. */
export function keysText(keys: string, mac = onMac()): string {
  const names: Readonly<Record<string, string>> = mac
    ? { mod: "⌘", shift: "⇧", alt: "⌥", escape: t("app.keyEscape") }
    : {
        mod: t("app.keyCtrl"),
        shift: t("app.keyShift"),
        alt: t("app.keyAlt"),
        escape: t("app.keyEscape"),
      };
  return keys
    .split("+")
    .map((key) => names[key] ?? key.toUpperCase())
    .join(mac ? "" : "+");
}
