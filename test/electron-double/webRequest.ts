/**
 * session.webRequest: the listeners for one session, asked for every request that a page of it makes.
 *
 * As in Electron there is one listener per event, and a URL filter decides whether it is asked.
 */

type BeforeListener = (
  details: Electron.OnBeforeRequestListenerDetails,
  callback: (response: Electron.CallbackResponse) => void,
) => void;
type HeadersListener = (
  details: Electron.OnHeadersReceivedListenerDetails,
  callback: (response: Electron.HeadersReceivedResponse) => void,
) => void;
type Registered<T> = { patterns: RegExp[] | undefined; listener: T };

export type RequestDetails = Pick<
  Electron.OnBeforeRequestListenerDetails,
  "id" | "url" | "method" | "resourceType" | "referrer" | "timestamp"
>;
export type ResponseHeaders = Record<string, string[]>;

export class WebRequest {
  #before: Registered<BeforeListener> | undefined;
  #headers: Registered<HeadersListener> | undefined;

  onBeforeRequest(
    ...args: [listener: BeforeListener | null] | [filter: Electron.WebRequestFilter, listener: BeforeListener | null]
  ): void {
    this.#before = registered(args);
  }

  onHeadersReceived(
    ...args: [listener: HeadersListener | null] | [filter: Electron.WebRequestFilter, listener: HeadersListener | null]
  ): void {
    this.#headers = registered(args);
  }

  get wantsHeaders(): boolean {
    return this.#headers !== undefined;
  }

  askBefore(details: RequestDetails): Promise<Electron.CallbackResponse> {
    const asked = this.#before;
    if (!asked || !applies(asked, details.url)) return Promise.resolve({});
    return new Promise((resolve) => asked.listener(details as Electron.OnBeforeRequestListenerDetails, resolve));
  }

  askHeaders(
    details: RequestDetails,
    statusCode: number,
    responseHeaders: ResponseHeaders,
  ): Promise<Electron.HeadersReceivedResponse> {
    const asked = this.#headers;
    if (!asked || !applies(asked, details.url)) return Promise.resolve({});
    const full = { ...details, statusCode, statusLine: `HTTP/1.1 ${statusCode}`, responseHeaders };
    return new Promise((resolve) => asked.listener(full as Electron.OnHeadersReceivedListenerDetails, resolve));
  }
}

function registered<T>(args: [T | null] | [Electron.WebRequestFilter, T | null]): Registered<T> | undefined {
  const [filter, listener] = args.length === 2 ? args : [undefined, args[0]];
  if (listener === null) return undefined;
  return { listener, patterns: filter?.urls.map(toPattern) };
}

function applies({ patterns }: Registered<unknown>, url: string): boolean {
  return patterns === undefined || patterns.length === 0 || patterns.some((pattern) => pattern.test(url));
}

/** A match pattern: `<all_urls>`, or scheme://host/path with `*`. */
function toPattern(glob: string): RegExp {
  if (glob === "<all_urls>") return /^/;
  const [, scheme = "*", host = "*", path = "/*"] = /^([^:]+):\/\/([^/]*)(\/.*)?$/.exec(glob) ?? [];
  const literal = (text: string) => text.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*");
  const schemes = scheme === "*" ? "(https?|wss?)" : literal(scheme);
  const hosts = host.startsWith("*.")
    ? `([^/]*\\.)?${literal(host.slice(2))}`
    : literal(host).replaceAll(".*", "[^/]*");
  return new RegExp(`^${schemes}://${hosts}(:\\d+)?${literal(path)}$`);
}
