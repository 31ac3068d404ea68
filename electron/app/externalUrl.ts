// Pure: which addresses may leave the app at all. Everything else (file:, smb:, ms-msdt:, javascript:, ...) may not.
const allowed: ReadonlySet<string> = new Set(["http:", "https:", "mailto:"]);

/** @returns the address as the system will read it, or null. Addresses with a password in them are refused. */
export function parseExternalUrl(text: string): URL | null {
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  if (!allowed.has(url.protocol) || url.username !== "" || url.password !== "") return null;
  return url.protocol === "mailto:" || url.hostname !== "" ? url : null;
}
