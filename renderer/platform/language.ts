// The language as chosen, or as the system says; follows both.
import { languageFor } from "../../electron/contract/settings.ts";
import { setLanguage } from "../i18n/texts.ts";
import { useSettings } from "./settingsStore.ts";
import { reportError } from "./toasts.ts";

export function startLanguage(): void {
  const apply = (): void => {
    const { language } = useSettings.getState();
    setLanguage(language === "system" ? languageFor(navigator.languages) : language).catch(reportError);
  };
  useSettings.subscribe((settings, before) => {
    if (settings.language !== before.language) apply();
  });
  window.addEventListener("languagechange", apply);
  apply();
}
