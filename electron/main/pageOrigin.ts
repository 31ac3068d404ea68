// The address of the user interface inside the desktop app.
export const pageScheme = "app";
export const pageOrigin = `${pageScheme}://bundle`;
export const pageUrl = `${pageOrigin}/`;

/** Pure. @returns whether a URL belongs to the app's own page. */
export function isOwnUrl(url: string): boolean {
  return URL.canParse(url) && url.startsWith(pageUrl);
}
