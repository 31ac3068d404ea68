/**
 * Every request of a page passes here: navigation policy first, then webRequest, then the custom schemes' handlers; the
 * rest goes on to Chromium's network.
 *
 * Responses are handed over whole: a streamed Response arrives in the page only when it has ended.
 */
import { ignoreGone, type CdpParams, type CdpSession } from "./cdp.ts";
import { fromChromium, policyForChromium } from "./protocol.ts";
import type { Session } from "./session.ts";
import type { RequestDetails, ResponseHeaders } from "./webRequest.ts";

type Header = { name: string; value: string };
type Paused = {
  requestId: string;
  networkId?: string;
  request: { url: string; method: string; headers: Record<string, string>; hasPostData?: boolean };
  frameId: string;
  resourceType: string;
  responseStatusCode?: number;
  responseHeaders?: Header[];
  redirectedRequestId?: string;
};
export type NavigationRequest = { url: string; frameId: string; isRedirect: boolean };

const resourceTypes: Record<string, RequestDetails["resourceType"]> = {
  Stylesheet: "stylesheet",
  Script: "script",
  Image: "image",
  Font: "font",
  XHR: "xhr",
  Fetch: "xhr",
  Ping: "ping",
  CSPViolationReport: "cspReport",
  Media: "media",
  WebSocket: "webSocket",
};

export class Network {
  readonly #cdp: CdpSession;
  readonly #session: Session;
  readonly #mainFrameId: () => string;
  /** @returns false to stop the navigation before it leaves the page. */
  readonly #mayNavigate: (request: NavigationRequest) => Promise<boolean>;

  constructor(
    cdp: CdpSession,
    session: Session,
    mainFrameId: () => string,
    mayNavigate: (request: NavigationRequest) => Promise<boolean>,
  ) {
    this.#cdp = cdp;
    this.#session = session;
    this.#mainFrameId = mainFrameId;
    this.#mayNavigate = mayNavigate;
  }

  async start(): Promise<void> {
    this.#cdp.on("Fetch.requestPaused", (params: CdpParams) => {
      this.#route(params as unknown as Paused).catch(ignoreGone);
    });
    await this.#cdp.send("Fetch.enable", { patterns: [{ urlPattern: "*", requestStage: "Request" }] });
  }

  async #route(paused: Paused): Promise<void> {
    if (paused.responseStatusCode !== undefined) return this.#finish(paused);
    const url = fromChromium(paused.request.url);
    if (paused.resourceType === "Document") {
      const isRedirect = paused.redirectedRequestId !== undefined;
      if (!(await this.#mayNavigate({ url, frameId: paused.frameId, isRedirect })))
        return this.#fail(paused, "Aborted");
    }
    const details = this.#details(paused, url);
    const { cancel, redirectURL } = await this.#session.webRequest.askBefore(details);
    if (cancel) return this.#fail(paused, "BlockedByClient");
    if (redirectURL !== undefined) return this.#fulfil(paused, 307, { location: [redirectURL] }, new Uint8Array());
    const handler = this.#session.schemes.find(url);
    if (handler) return this.#serve(paused, details, handler);
    await this.#cdp.send("Fetch.continueRequest", {
      requestId: paused.requestId,
      interceptResponse: this.#session.webRequest.wantsHeaders,
    });
  }

  #details(paused: Paused, url: string): RequestDetails {
    const isMain = paused.frameId === this.#mainFrameId();
    return {
      id: Number(paused.requestId.replaceAll(/\D/g, "")),
      url,
      method: paused.request.method,
      resourceType:
        paused.resourceType === "Document"
          ? isMain
            ? "mainFrame"
            : "subFrame"
          : (resourceTypes[paused.resourceType] ?? "other"),
      referrer: fromChromium(paused.request.headers["Referer"] ?? ""),
      timestamp: Date.now(),
    };
  }

  async #serve(
    paused: Paused,
    details: RequestDetails,
    handler: (request: Request) => Response | Promise<Response>,
  ): Promise<void> {
    const request = await this.#asRequest(paused, details.url);
    let response: Response;
    try {
      response = await handler(request);
    } catch (error) {
      // Electron reports a rejected handler to the page as a failed request, and to the main process as an unhandled rejection.
      await this.#fail(paused, "Failed");
      throw error;
    }
    const body = new Uint8Array(await response.arrayBuffer());
    const headers: ResponseHeaders = {};
    for (const [name, value] of response.headers) (headers[name] ??= []).push(value);
    const answer = await this.#session.webRequest.askHeaders(details, response.status, headers);
    if (answer.cancel) return this.#fail(paused, "BlockedByClient");
    await this.#fulfil(paused, response.status, asLists(answer.responseHeaders) ?? headers, body);
  }

  async #asRequest(paused: Paused, url: string): Promise<Request> {
    const { method, headers, hasPostData } = paused.request;
    const init: RequestInit = {
      method,
      headers: Object.entries(headers).map(([name, value]) => [
        name,
        /^(referer|origin)$/i.test(name) ? fromChromium(value) : value,
      ]),
    };
    if (hasPostData) {
      const { postData } = await this.#cdp.send("Network.getRequestPostData", { requestId: paused.networkId });
      init.body = String(postData);
    }
    return new Request(url, init);
  }

  /** A response from the network, paused because somebody listens to onHeadersReceived. */
  async #finish(paused: Paused): Promise<void> {
    const headers: ResponseHeaders = {};
    for (const { name, value } of paused.responseHeaders ?? []) (headers[name] ??= []).push(value);
    const details = this.#details(paused, fromChromium(paused.request.url));
    const answer = await this.#session.webRequest.askHeaders(details, paused.responseStatusCode ?? 0, headers);
    if (answer.cancel) return this.#fail(paused, "BlockedByClient");
    const changed = asLists(answer.responseHeaders);
    await this.#cdp.send("Fetch.continueResponse", {
      requestId: paused.requestId,
      ...(changed ? { responseCode: paused.responseStatusCode, responseHeaders: asHeaders(changed) } : {}),
    });
  }

  async #fulfil(paused: Paused, status: number, headers: ResponseHeaders, body: Uint8Array): Promise<void> {
    await this.#cdp.send("Fetch.fulfillRequest", {
      requestId: paused.requestId,
      responseCode: status,
      responseHeaders: asHeaders(headers),
      body: Buffer.from(body).toString("base64"),
    });
  }

  async #fail(paused: Paused, errorReason: string): Promise<void> {
    await this.#cdp.send("Fetch.failRequest", { requestId: paused.requestId, errorReason });
  }
}

function asLists(headers: Record<string, string | string[]> | undefined): ResponseHeaders | undefined {
  if (!headers) return undefined;
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value].flat()]));
}

function asHeaders(headers: ResponseHeaders): Header[] {
  return Object.entries(headers).flatMap(([name, values]) =>
    values.map((value) => ({
      name,
      value: name.toLowerCase().startsWith("content-security-policy") ? policyForChromium(value) : value,
    })),
  );
}
