// Every sentence that a user reads, by key: `t("chat.send")` is the key "send" of <language>/chat.json. English is always
// at hand and is what the keys are typed from; another language is read when it is chosen. Nothing here comes from a network.
// Numbers among the values are written as the chosen language writes them. A key that depends on a count has one text per
// plural form of the language (Intl.PluralRules): "messages_one", "messages_other", asked for as t("chat.messages", { count }).
import i18next, { type FormatterModule } from "i18next";
import { initReactI18next, useTranslation } from "react-i18next";
import type { Language } from "../../electron/contract/settings.ts";
import english from "./en/index.ts";

type English = typeof english;
type Area = keyof English;
type Stem<K extends string> = K extends `${infer S}_${Intl.LDMLPluralRule}` ? S : K;
type KeysOf<A extends Area> = Stem<keyof English[A] & string>;

/** What may be written into a text: numbers as the language writes them, words as they are. */
export type TextValues = Readonly<Record<string, string | number>>;
export type TextKey = { [A in Area]: `${A}.${KeysOf<A>}` }[Area];
type Counted<A extends Area, K extends string> = `${K}_other` extends keyof English[A] ? `${A}.${K}` : never;
type CountedKey = { [A in Area]: { [K in KeysOf<A>]: Counted<A, K> }[KeysOf<A>] }[Area];
type PlainKey = Exclude<TextKey, CountedKey>;

/** All texts of a language: every key of English, and for counted ones at least the form "other". */
export type Texts = {
  readonly [A in Area]: Readonly<
    Record<Exclude<keyof English[A] & string, `${string}_${Intl.LDMLPluralRule}`>, string> &
      Record<Extract<keyof English[A] & string, `${string}_other`>, string>
  >;
};

const others: Readonly<Record<Exclude<Language, "en">, () => Promise<{ default: Texts }>>> = {
  ko: () => import("./ko/index.ts"),
  ja: () => import("./ja/index.ts"),
  "zh-Hans": () => import("./zh-Hans/index.ts"),
  es: () => import("./es/index.ts"),
  de: () => import("./de/index.ts"),
  fr: () => import("./fr/index.ts"),
};

const numbersAsWritten: FormatterModule = {
  type: "formatter",
  init: () => {},
  add: () => {},
  addCached: () => {},
  format: (value: unknown, _format, language) =>
    typeof value === "number" ? new Intl.NumberFormat(language).format(value) : String(value),
};

void i18next
  .use(initReactI18next)
  .use(numbersAsWritten)
  .init({
    lng: "en",
    fallbackLng: "en",
    resources: { en: english },
    ns: Object.keys(english),
    // English stands in memory, so texts are there before the first frame.
    initAsync: false,
    keySeparator: false,
    nsSeparator: ".",
    // React writes text, never markup.
    interpolation: { escapeValue: false, alwaysFormat: true },
  });

export function t(key: PlainKey, values?: TextValues): string;
export function t(key: CountedKey, values: TextValues & { readonly count: number }): string;
export function t(key: TextKey, values: TextValues = {}): string {
  return i18next.t(key as string, { ...values, nest: false });
}

/** The tag of the language in which texts are shown now, for Intl. */
export const language = (): string => i18next.language;

/** Draws the component again when the language changes. The shell does so for the whole page; a `memo` must ask itself. */
export const useLanguage = (): string => useTranslation().i18n.language;

/** Shows the page in a language, and says so to the browser and to screen readers. */
export async function setLanguage(next: Language): Promise<void> {
  if (next !== "en" && !i18next.hasResourceBundle(next, "app")) {
    const { default: texts } = await others[next]();
    for (const [area, bundle] of Object.entries(texts)) i18next.addResourceBundle(next, area, bundle);
  }
  await i18next.changeLanguage(next);
  document.documentElement.lang = next;
}
