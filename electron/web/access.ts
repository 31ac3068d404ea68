// Who may talk to the web entry. Loopback is no boundary: any page in any browser can reach 127.0.0.1, and a rebound
// name makes it look like the same origin. So every request must name exactly our host, carry the session cookie, and
// where the browser says an origin it must be ours. The cookie is given once, for the token in the printed address.
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";

export interface Access {
  /** The address to open; good for one browser. */
  readonly url: string;
  /** Scheme, host and port. */
  readonly origin: string;
  hasOwnHost(request: IncomingMessage): boolean;
  /** True also when the browser sends no origin, as it does for plain GETs. */
  hasOwnOrigin(request: IncomingMessage, required: boolean): boolean;
  hasSession(request: IncomingMessage): boolean;
  /** Spends the token. @returns the Set-Cookie header, or null when the token is wrong or spent. */
  exchange(token: string): string | null;
}

export function createAccess(port: number): Access {
  const host = `127.0.0.1:${port}`;
  const origin = `http://${host}`;
  // Cookies are shared between ports of one host, so the name carries the port.
  const cookieName = `conclave_${port}`;
  const session = randomBytes(32).toString("base64url");
  let token: string | null = randomBytes(32).toString("base64url");
  return {
    url: `${origin}/?token=${token}`,
    origin,
    hasOwnHost: (request) => request.headers.host === host,
    hasOwnOrigin: (request, required) =>
      request.headers.origin === undefined ? !required : request.headers.origin === origin,
    hasSession: (request) => isSame(readCookie(request.headers.cookie, cookieName) ?? "", session),
    exchange(given) {
      if (token === null || !isSame(given, token)) return null;
      token = null;
      return `${cookieName}=${session}; HttpOnly; SameSite=Strict; Path=/`;
    },
  };
}

/** In time that does not depend on where they differ. */
function isSame(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

function readCookie(header: string | undefined, name: string): string | undefined {
  return header
    ?.split(";")
    .map((pair) => pair.trim())
    .find((pair) => pair.startsWith(`${name}=`))
    ?.slice(name.length + 1);
}
