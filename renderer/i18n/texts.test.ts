// What the frame promises: plural forms and numbers of the language, values written as they are, English until another is read.
import { afterEach, expect, it } from "vitest";
import { languageFor } from "./languages.ts";
import { language, setLanguage, t } from "./texts.ts";

afterEach(() => setLanguage("en"));

it("speaks English before anything is chosen, and says so to the page when it is", async () => {
  expect(t("settings.themeDark")).toBe("Dark");
  await setLanguage("de");
  expect(t("settings.themeDark")).toBe("Dunkel");
  expect(document.documentElement.lang).toBe("de");
  expect(language()).toBe("de");
});

it("takes the first of the system's languages that it speaks", () => {
  expect(languageFor(["pt-BR", "zh-CN", "en-US"])).toBe("zh-Hans");
  expect(languageFor(["de-AT", "en"])).toBe("de");
  expect(languageFor(["pt-BR"])).toBe("en");
  expect(languageFor([])).toBe("en");
});
