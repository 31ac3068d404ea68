// Each language on every screen of the smallest window: nothing left in English, nothing cut off or pushed out of the window.
import type { Page } from "@playwright/test";
import { expect, test } from "./conclaveApp.ts";
import { cutOff, picture } from "./looks.ts";
import { screens } from "./screens.ts";
import { bundleOf, textsOf } from "./texts.ts";

const areas = ["app", "chat", "experts", "models", "settings", "templates", "ui"];

/** English texts that stand on the page though the language says something else; those with values are left out. */
async function leftInEnglish(page: Page, language: string): Promise<string[]> {
  const other = areas.flatMap((area) => {
    const own = bundleOf(language, area);
    return Object.entries(bundleOf("en", area)).flatMap(([key, text]) =>
      own[key] === text || text.includes("{{") ? [] : [text],
    );
  });
  // A word that is right in some other place of this language is right here too.
  const own = new Set(areas.flatMap((area) => Object.values(bundleOf(language, area))));
  const shown = await page.evaluate(() => {
    const words = new Set<string>();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
      if (node instanceof Element) {
        for (const name of ["aria-label", "title", "placeholder"]) words.add(node.getAttribute(name) ?? "");
      } else words.add(node.nodeValue ?? "");
    }
    return [...words].map((word) => word.trim());
  });
  return other.filter((text) => shown.includes(text) && !own.has(text));
}

for (const language of ["ko", "ja", "zh-Hans", "es", "de", "fr"]) {
  test(`every screen speaks ${language} and has room for it`, async ({ conclaveApp }) => {
    test.setTimeout(180_000);
    let { page } = conclaveApp;
    await page.getByRole("button", { name: "Settings", exact: true }).click();
    await page.getByRole("combobox", { name: "Language" }).selectOption(language);
    await expect(page.locator("html")).toHaveAttribute("lang", language);
    page = await conclaveApp.restart(undefined, textsOf(language)("chat.message"));
    await expect(page.locator("html")).toHaveAttribute("lang", language);
    await page.setViewportSize({ width: 880, height: 560 });
    const found: string[] = [];
    for (const { name, open, close } of screens) {
      await open(page, textsOf(language));
      await page.screenshot({ path: picture(`languages/${language}-${name}.png`) });
      for (const text of await leftInEnglish(page, language)) found.push(`${name}, English: ${text}`);
      for (const text of await cutOff(page)) found.push(`${name}, cut off: ${text}`);
      await close(page, textsOf(language));
    }
    expect(found).toEqual([]);
  });
}
