// KaTeX, read when the first formula comes. Formulas are hostile input: nothing they say loads, links or styles the page
// (trust), macros expand a bounded number of times, and what is too long or does not parse stays the source it is.
import katex from "katex";
import "katex/dist/katex.min.css";

export const longestFormula = 3000;
const mostExpansions = 500;
/** In em: a rule or a space cannot be made to cover the page. */
const largestSize = 30;

/** Draws into an element, without HTML on the way, which Trusted Types would refuse. @returns why not; null: drawn. */
export function renderMath(tex: string, element: HTMLElement, display: boolean): string | null {
  if (tex.length > longestFormula) return `${tex.length} > ${longestFormula}`;
  try {
    katex.render(tex, element, {
      displayMode: display,
      throwOnError: true,
      trust: false,
      strict: "ignore",
      maxExpand: mostExpansions,
      maxSize: largestSize,
    });
    return null;
  } catch (error) {
    // Also a stack that overflowed over braces nested by the thousand.
    element.replaceChildren();
    return error instanceof Error ? error.message : String(error);
  }
}
