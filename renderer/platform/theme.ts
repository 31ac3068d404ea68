// Light or dark, as chosen or as the system says; written to <html data-theme>.
import { useSyncExternalStore } from "react";
import { useSettings } from "./settingsStore.ts";

const systemDark = window.matchMedia("(prefers-color-scheme: dark)");

function presentTheme(): "light" | "dark" {
  const { theme } = useSettings.getState();
  if (theme !== "system") return theme;
  return systemDark.matches ? "dark" : "light";
}

function subscribe(listener: () => void): () => void {
  systemDark.addEventListener("change", listener);
  const stop = useSettings.subscribe(listener);
  return () => {
    systemDark.removeEventListener("change", listener);
    stop();
  };
}

export const useTheme = (): "light" | "dark" => useSyncExternalStore(subscribe, presentTheme);

export function startTheme(): void {
  const apply = (): void => {
    document.documentElement.dataset["theme"] = presentTheme();
  };
  subscribe(apply);
  apply();
}
