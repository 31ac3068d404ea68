// The interface's words in a language, by the keys that the renderer uses, so that a spec finds what a user of that
// language sees.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "./entries/entry.ts";

export type Texts = (key: string, values?: Readonly<Record<string, string>>) => string;
type Bundle = Readonly<Record<string, string>>;

const bundles = new Map<string, Bundle>();

export function bundleOf(language: string, area: string): Bundle {
  const path = join(repositoryRoot, "renderer/i18n", language, `${area}.json`);
  const known = bundles.get(path) ?? (JSON.parse(readFileSync(path, "utf8")) as Bundle);
  bundles.set(path, known);
  return known;
}

/** Throws for a key that does not exist: a spec must not look for a word that nobody sees. */
export const textsOf =
  (language: string): Texts =>
  (key, values = {}) => {
    const dot = key.indexOf(".");
    const text = bundleOf(language, key.slice(0, dot))[key.slice(dot + 1)];
    if (text === undefined) throw new Error(`${language} has no text ${key}.`);
    return text.replaceAll(/\{\{(.+?)\}\}/g, (_, name: string) => values[name] ?? "");
  };
