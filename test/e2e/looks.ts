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

/** Where the pictures of docs/ are taken from: UPDATE_SCREENSHOTS=1 writes them there. */
export function picture(name: string): string {
  const folder = process.env["UPDATE_SCREENSHOTS"] === "1" ? "docs/screenshots" : "out/test/screenshots";
  return join(repositoryRoot, folder, name);
}

/** What axe finds to mend, by rule and place. */
export async function violations(page: Page): Promise<string[]> {
  const { violations: found } = await new AxeBuilder({ page })
    .setLegacyMode()
    .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"])
    .analyze();
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
}
