// An error in the language of the page. The services write one English sentence with the numbers and the way out; in other
// languages what its code means stands before it, so that nothing it says is lost.
import type { WireError } from "../../electron/contract/errors.ts";
import { language, t } from "../i18n/texts.ts";

type Said = Pick<WireError, "code" | "message">;

/** What happened in the page's own words; null in English, where the sentence itself says it better. */
export const errorTitle = ({ code }: Said): string | null => (language() === "en" ? null : t(`errors.${code}`));

export function errorText(error: Said): string {
  const title = errorTitle(error);
  return title === null ? error.message : `${title} ${error.message}`;
}
