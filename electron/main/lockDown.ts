// What the page and everything it might contain may not do: navigate away, open windows, embed webviews, ask for
// permissions or devices, or reach the network. Applies to every web contents the app will ever make.
import { app, type Session, type WebContents } from "electron";
import { isOwnUrl, pageScheme } from "./pageOrigin.ts";

/** Writing to the clipboard from a button press is all the page needs. */
const allowedPermissions: ReadonlySet<string> = new Set(["clipboard-sanitized-write"]);

/** @param onDenied told in a word and an address (without its query), for the log. */
export function lockDownContents(onDenied: (what: string, url: string) => void): void {
  app.on("web-contents-created", (_event, contents) => lockDown(contents, onDenied));
}

function lockDown(contents: WebContents, onDenied: (what: string, url: string) => void): void {
  contents.setWindowOpenHandler(({ url }) => {
    onDenied("window", withoutQuery(url));
    return { action: "deny" };
  });
  const refuse = (what: string, event: { preventDefault(): void; readonly url: string }): void => {
    if (isOwnUrl(event.url)) return;
    event.preventDefault();
    onDenied(what, withoutQuery(event.url));
  };
  contents.on("will-navigate", (event) => refuse("navigation", event));
  contents.on("will-frame-navigate", (event) => refuse("frame", event));
  contents.on("will-redirect", (event) => refuse("redirect", event));
  contents.on("will-attach-webview", (event) => event.preventDefault());
}

export function lockDownSession(session: Session, onDenied: (what: string, url: string) => void): void {
  session.setPermissionRequestHandler((_contents, permission, answer) => answer(allowedPermissions.has(permission)));
  session.setPermissionCheckHandler((_contents, permission) => allowedPermissions.has(permission));
  session.setDevicePermissionHandler(() => false);
  // The dictionary would be fetched from the network.
  session.setSpellCheckerEnabled(false);
  session.webRequest.onBeforeRequest((details, answer) => {
    const own = isOwnUrl(details.url) || details.url.startsWith(`blob:${pageScheme}:`) || isDevTools(details.url);
    if (!own) onDenied("request", withoutQuery(details.url));
    answer({ cancel: !own });
  });
}

const isDevTools = (url: string): boolean => !app.isPackaged && url.startsWith("devtools:");

const withoutQuery = (url: string): string => url.replace(/[?#].*$/s, "").slice(0, 200);
