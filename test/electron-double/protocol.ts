/**
 * Custom schemes. Chromium on its own cannot navigate to `app://bundle/x`, so inside the browser such a URL is
 * `https://bundle.app.invalid/x`: a secure origin of its own that resolves nowhere. Everything the main process sees or
 * gives is translated here; only the page's own `location` shows the difference.
 */
import { isReady } from "./runtime.ts";

type Handler = (request: Request) => Response | Promise<Response>;

const privileged = new Map<string, Electron.Privileges>();

export function registerSchemesAsPrivileged(schemes: Electron.CustomScheme[]): void {
  if (isReady()) throw new Error("protocol.registerSchemesAsPrivileged should be called before app is ready");
  for (const { scheme, privileges } of schemes) privileged.set(scheme, privileges ?? {});
}

/** Only a standard and secure scheme has an origin that a secure page origin can stand for. */
function isMapped(scheme: string): boolean {
  const privileges = privileged.get(scheme);
  return privileges?.standard === true && privileges.secure === true;
}

/** `app://bundle/x` as Chromium sees it; other URLs unchanged. */
export function toChromium(url: string): string {
  const match = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)(.*)$/i.exec(url);
  const [, scheme = "", host = "", rest = ""] = match ?? [];
  return isMapped(scheme) ? `https://${host}.${scheme}.invalid${rest.startsWith("/") ? "" : "/"}${rest}` : url;
}

/** The inverse of `toChromium`. */
export function fromChromium(url: string): string {
  const match = /^https:\/\/([^/?#]*)\.([^./?#]+)\.invalid(?=[/?#]|$)(.*)$/i.exec(url);
  const [, host = "", scheme = "", rest = ""] = match ?? [];
  return isMapped(scheme) ? `${scheme}://${host}${rest}` : url;
}

/** A policy that names the scheme (`app:`) or an origin of it must still mean the same origin. */
export function policyForChromium(policy: string): string {
  return [...privileged.keys()]
    .filter(isMapped)
    .reduce(
      (text, scheme) =>
        text
          .replaceAll(new RegExp(`(?<=[\\s;]|^)${scheme}://([^\\s;/]+)`, "g"), `https://$1.${scheme}.invalid`)
          .replaceAll(new RegExp(`(?<=[\\s;]|^)${scheme}:(?=[\\s;]|$)`, "g"), `https://*.${scheme}.invalid`),
      policy,
    );
}

/** The handlers of one session. */
export class SchemeHandlers {
  readonly #handlers = new Map<string, Handler>();

  handle(scheme: string, handler: Handler): void {
    if (this.#handlers.has(scheme)) throw new Error(`The scheme '${scheme}' has already been intercepted.`);
    this.#handlers.set(scheme, handler);
  }

  unhandle(scheme: string): void {
    if (!this.#handlers.delete(scheme)) throw new Error(`The scheme '${scheme}' has not been registered.`);
  }

  isProtocolHandled(scheme: string): boolean {
    return this.#handlers.has(scheme);
  }

  find(url: string): Handler | undefined {
    return this.#handlers.get(url.slice(0, url.indexOf(":")));
  }
}
