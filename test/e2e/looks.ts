// How a screen is judged: what axe finds, the theme it is shown in, and where its picture goes.
import { join } from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import { expect, type Page } from "@playwright/test";
import { repositoryRoot } from "./entries/entry.ts";

export async function choose(page: Page, theme: "light" | "dark"): Promise<void> {
  await page.getByRole("button", { name: "Settings", exact: true }).click();
  await page.getByRole("combobox", { name: "Theme" }).selectOption(theme);
  await page.keyboard.press("Escape");
  await expect(page.locator("html")).toHaveAttribute("data-theme", theme);
}

/**
 * Texts and controls that do not fit: words wider than a box that neither scrolls nor shortens them with an ellipsis,
 * controls beyond the window's edges, and a page wider than the window.
 */
export async function cutOff(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const found: string[] = [];
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth > clientWidth) found.push(`the page is ${scrollWidth} px wide in ${clientWidth}`);
    const scrolls = (element: Element): boolean => /auto|scroll/.test(getComputedStyle(element).overflowX);
    for (const element of document.querySelectorAll<HTMLElement>("body *")) {
      const box = element.getBoundingClientRect();
      const name = (element.getAttribute("aria-label") ?? element.textContent ?? "").trim().slice(0, 60);
      if (box.width <= 1 || box.height <= 1 || name === "" || !element.checkVisibility()) continue;
      const { overflowX, textOverflow } = getComputedStyle(element);
      const hides = overflowX === "hidden" || overflowX === "clip";
      if (
        hides &&
        !element.matches("input, textarea") &&
        textOverflow !== "ellipsis" &&
        element.scrollWidth > element.clientWidth + 1
      ) {
        found.push(`${name} needs ${element.scrollWidth} px and has ${element.clientWidth}`);
      }
      if (!element.matches("button, input, select, textarea, a")) continue;
      let holder = element.parentElement;
      while (holder !== null && !scrolls(holder)) holder = holder.parentElement;
      if (holder === null && (box.left < -1 || box.right > innerWidth + 1)) found.push(`${name} is beyond the edge`);
    }
    return [...new Set(found)];
  });
}

/** Where a spec leaves a picture for whoever wants to look; those of docs/ are taken by tour.spec.ts. */
export function picture(name: string): string {
  return join(repositoryRoot, "out/test/screenshots", name);
}

/** What axe finds to mend, by rule and place. */
export async function violations(page: Page): Promise<string[]> {
  const { violations: found } = await new AxeBuilder({ page })
    .setLegacyMode()
    .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"])
    .analyze();
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
}
