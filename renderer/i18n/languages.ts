// The languages of the app, by the tag under which the contract stores the choice.
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
