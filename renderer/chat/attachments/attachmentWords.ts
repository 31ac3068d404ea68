// Pure: what is said of an attachment in a few words: what it is, how much, and what of it was not read.
import type { Attachment } from "../../../electron/contract/attachments.ts";
import { t } from "../../i18n/texts.ts";

/** Letters that make a token, on average over languages and code: for a count before a model is loaded. */
const charactersPerToken = 4;

/** @param tokens as the loaded model counts them; undefined: no model is loaded, or they are not counted yet. */
export function sizeWords({ characters }: Pick<Attachment, "characters">, tokens: number | undefined): string {
  return tokens === undefined
    ? t("attachments.aboutTokens", { count: Math.max(1, Math.round(characters / charactersPerToken)) })
    : t("attachments.tokens", { count: tokens });
}

export function shapeWords({ facts }: Pick<Attachment, "facts">): string {
  const { pages, rows, columns } = facts;
  if (pages !== undefined) return t("attachments.pages", { count: pages });
  if (rows !== undefined && columns !== undefined) {
    return `${t("attachments.rows", { count: rows })} × ${t("attachments.columns", { count: columns })}`;
  }
  return "";
}

/** What the reader must know before trusting an answer about it; '' for nothing. */
export function cautionWords({ facts }: Pick<Attachment, "facts">): string {
  const { encoding, pages = 0, pagesRead = pages, pagesEmpty = 0 } = facts;
  return [
    encoding === "latin-1" ? t("attachments.latin1") : "",
    pagesRead < pages ? t("attachments.pagesCut", { read: pagesRead, count: pages }) : "",
    pagesEmpty > 0 ? t("attachments.pagesEmpty", { count: pagesEmpty }) : "",
  ]
    .filter((sentence) => sentence !== "")
    .join(" ");
}
