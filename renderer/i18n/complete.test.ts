// That every language says everything: the same keys, the same placeholders, the plural forms that it has, and nothing
// that the code no longer asks for. (That no sentence is left in the code itself: build/sentences.test.ts.)
import { describe, expect, it } from "vitest";
import english from "./en/index.ts";
import { languages } from "./languages.ts";

type Bundle = Readonly<Record<string, string>>;
const files = import.meta.glob<Bundle>("./*/*.json", { eager: true, import: "default" });
const sources = import.meta.glob<string>(["../**/*.{ts,tsx}", "!../**/*.test.{ts,tsx}"], {
  eager: true,
  query: "?raw",
  import: "default",
});

const areas = Object.keys(english);
const textsOf = (language: string, area: string): Bundle => files[`./${language}/${area}.json`] ?? {};
const pluralForm = /_(?:zero|one|two|few|many|other)$/;
const stemOf = (key: string): string => key.replace(pluralForm, "");
const placeholdersOf = (text: string): string[] =>
  [...text.matchAll(/\{\{(.+?)\}\}/g)].map(([, name]) => name ?? "").toSorted();
/** What some form of the text writes: "one" often leaves the number out. */
const placeholders = (bundle: Bundle, stem: string): string[] =>
  [
    ...new Set(
      Object.keys(bundle)
        .filter((key) => stemOf(key) === stem)
        .flatMap((key) => placeholdersOf(bundle[key] ?? "")),
    ),
  ].toSorted();

describe.each(languages)("%s", (language) => {
  it.each(areas)("says all of %s, with the same placeholders, keys in order", (area) => {
    const [original, texts] = [textsOf("en", area), textsOf(language, area)];
    const stems = [...new Set(Object.keys(original).map(stemOf))];
    expect([...new Set(Object.keys(texts).map(stemOf))].toSorted()).toEqual(stems.toSorted());
    expect(Object.keys(texts)).toEqual(Object.keys(texts).toSorted());
    expect(Object.values(texts).filter((text) => text.trim() === "" || text !== text.trim())).toEqual([]);
    for (const stem of stems) {
      expect([stem, placeholders(texts, stem)]).toEqual([stem, placeholders(original, stem)]);
    }
  });

  it.each(areas)("has its plural forms in %s, all of them and no others", (area) => {
    const forms = new Intl.PluralRules(language).resolvedOptions().pluralCategories.toSorted();
    const texts = textsOf(language, area);
    for (const stem of new Set(
      Object.keys(texts)
        .filter((key) => pluralForm.test(key))
        .map(stemOf),
    )) {
      const own = Object.keys(texts).filter((key) => stemOf(key) === stem);
      expect([stem, own.map((key) => key.slice(stem.length + 1)).toSorted()]).toEqual([stem, forms]);
    }
  });
});

it("keeps no text that the code does not ask for", () => {
  const code = Object.entries(sources)
    .filter(([path]) => !path.includes("/i18n/"))
    .map(([, source]) => source)
    .join("\n");
  // t(`errors.${code}`) asks for every key of its shape.
  const shapes = [...code.matchAll(/`([a-z]+\.[^`\s]*\$\{[^`]*)`/g)].map(
    ([, shape = ""]) => new RegExp(`^${shape.replace(".", String.raw`\.`).replaceAll(/\$\{[^}]*\}/g, ".+")}$`),
  );
  const asked = (key: string): boolean => code.includes(`"${key}"`) || shapes.some((shape) => shape.test(key));
  const all = areas.flatMap((area) => Object.keys(textsOf("en", area)).map((key) => `${area}.${stemOf(key)}`));
  expect([...new Set(all)].filter((key) => !asked(key))).toEqual([]);
});
