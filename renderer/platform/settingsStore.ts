// Preferences in the page: changed at once, written by the services, corrected by what they answer.
import { create } from "zustand";
import { defaultSettings, type Settings } from "../../electron/contract/settings.ts";
import { reportError } from "./toasts.ts";
import { client, onConnection } from "./client.ts";

export const useSettings = create<Settings>()(() => defaultSettings);

export function updateSettings(change: Partial<Settings>): void {
  useSettings.setState(change);
  client.settings.update(change).then((settings) => useSettings.setState(settings), reportError);
}

export function startSettingsStore(): void {
  client.settings.on("changed", (settings) => useSettings.setState(settings));
  onConnection((state) => {
    if (state === "open") client.settings.get({}).then((settings) => useSettings.setState(settings), reportError);
  });
}
