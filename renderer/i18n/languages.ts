// The languages of the app, by the tag under which the contract stores the choice, and which of them this computer wants.
import type { Language } from "../../electron/contract/settings.ts";

/** Every language under its own name, in the order in which Settings offers them. */
export const languageNames: Readonly<Record<Language, string>> = {
  en: "English",
  ko: "한국어",
  ja: "日本語",
  "zh-Hans": "简体中文",
  es: "Español",
  de: "Deutsch",
  fr: "Français",
};

/** Object.keys of the record above: complete and in its order. */
export const languages = Object.keys(languageNames) as Language[];

/** The first of the system's languages (BCP 47 tags, best first) that the app speaks; English when it speaks none. */
export function languageFor(preferred: readonly string[]): Language {
  for (const tag of preferred) {
    const [primary] = tag.toLowerCase().split("-");
    const found = languages.find((language) => language.split("-")[0] === primary);
    if (found !== undefined) return found;
  }
  return "en";
}
