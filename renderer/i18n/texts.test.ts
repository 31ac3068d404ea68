// What the frame promises: plural forms and numbers of the language, values written as they are, English until another is read.
import { afterEach, expect, it } from "vitest";
import { languageFor } from "../../electron/contract/settings.ts";
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

it("counts in the forms of the language and writes numbers as it does", async () => {
  expect(t("chat.imported", { count: 1 })).toBe("One conversation imported");
  expect(t("chat.imported", { count: 1200 })).toBe("1,200 conversations imported");
  await setLanguage("de");
  expect(t("chat.imported", { count: 1200 })).toBe("1.200 Gespräche importiert");
  await setLanguage("es");
  expect(t("chat.imported", { count: 1_000_000 })).toBe("1.000.000 de conversaciones importadas");
  await setLanguage("ko");
  expect(t("chat.imported", { count: 1 })).toBe("대화 1개를 가져왔습니다");
});

it("writes words as they are, even those that look like its own marks", () => {
  const name = "<b>{{x}} $t(chat.send) $& & co";
  expect(t("chat.presetDeleted", { name })).toBe(`Preset “${name}” deleted`);
});
