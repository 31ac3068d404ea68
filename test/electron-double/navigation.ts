/**
 * Where a page is and where it may go. Knows which navigations the main process asked for; every other one is announced
 * as will-navigate, will-frame-navigate or will-redirect and can be prevented, which stops it before any request leaves.
 */
import type { CdpParams, CdpSession } from "./cdp.ts";
import { preventable } from "./events.ts";
import type { NavigationRequest } from "./network.ts";
import { fromChromium } from "./protocol.ts";
import type { WebContents } from "./webContents.ts";
import { WebFrame } from "./webFrame.ts";

type FrameTree = { frame: { id: string; url: string } };

/** How long a page's own announcement of a reload may trail the request itself. */
const announcementLagMs = 150;

export class Navigation {
  readonly #contents: WebContents;
  readonly #frames = new Map<string, WebFrame>();
  /** Asked for by the main process and not yet begun. */
  #expected: string | undefined;
  /** Set when the page itself asked for a reload. */
  #pageReloads = 0;
  #mainFrame: WebFrame;

  constructor(contents: WebContents) {
    this.#contents = contents;
    this.#mainFrame = new WebFrame(contents, "", null, "");
  }

  get mainFrame(): WebFrame {
    return this.#mainFrame;
  }

  get url(): string {
    return this.#mainFrame.url === "about:blank" ? "" : this.#mainFrame.url;
  }

  expect(url: string): void {
    this.#expected = withoutHash(url);
  }

  /** Settles with the next main-frame load. */
  finished(): Promise<void> {
    return new Promise((resolve) => this.#contents.once("did-finish-load", () => resolve()));
  }

  async watch(cdp: CdpSession): Promise<void> {
    const { frameTree } = await cdp.send("Page.getFrameTree");
    const { frame } = frameTree as FrameTree;
    this.#mainFrame = new WebFrame(this.#contents, frame.id, null, frame.url);
    this.#frames.set(frame.id, this.#mainFrame);
    cdp.on("Page.frameAttached", ({ frameId, parentFrameId }: CdpParams) =>
      this.#frame(String(frameId), String(parentFrameId)),
    );
    cdp.on("Page.frameDetached", ({ frameId, reason }: CdpParams) => this.#detach(String(frameId), String(reason)));
    cdp.on("Page.frameNavigated", (params: CdpParams) => {
      const navigated = params["frame"] as { id: string; parentId?: string; url: string };
      this.#arrived(this.#frame(navigated.id, navigated.parentId), navigated.url, false);
    });
    cdp.on("Page.navigatedWithinDocument", ({ frameId, url }: CdpParams) => {
      this.#arrived(this.#frame(String(frameId), undefined), String(url), true);
    });
    cdp.on("Page.frameRequestedNavigation", (params: CdpParams) => this.#requested(params));
  }

  async mayNavigate({ url, frameId, isRedirect }: NavigationRequest): Promise<boolean> {
    const isMainFrame = frameId === this.#mainFrame.chromiumId;
    if (isMainFrame && !isRedirect && this.#expected === withoutHash(url)) {
      this.#expected = undefined;
      return true;
    }
    if (isMainFrame && !isRedirect && (await this.#isReloadFromOutside(url))) return true;
    if (isRedirect) return this.#announce("will-redirect", url, frameId);
    const allowed = this.#announce("will-frame-navigate", url, frameId);
    return allowed && (!isMainFrame || this.#announce("will-navigate", url, frameId));
  }

  /** The double never lets it happen; Electron asks for permission `openExternal` unless it is prevented here. */
  announceLeaving(url: string): void {
    this.#announce("will-navigate", url, this.#mainFrame.chromiumId);
  }

  /**
   * A reload by the test or the browser's own interface is no business of will-navigate; one by the page is. The page's
   * announcement takes another road than its request, so wait for it a moment.
   */
  async #isReloadFromOutside(url: string): Promise<boolean> {
    if (withoutHash(url) !== withoutHash(this.#mainFrame.url)) return false;
    const before = this.#pageReloads;
    this.#pageReloads = 0;
    if (before > 0) return false;
    await new Promise((resolve) => setTimeout(resolve, announcementLagMs));
    const announced = this.#pageReloads > 0;
    this.#pageReloads = 0;
    return !announced;
  }

  #announce(name: "will-navigate" | "will-frame-navigate" | "will-redirect", url: string, frameId: string): boolean {
    const frame = this.#frames.get(frameId) ?? null;
    const isMainFrame = frameId === this.#mainFrame.chromiumId;
    const event = preventable({ url, isMainFrame, isSameDocument: false, frame, initiator: this.#mainFrame });
    this.#contents.emit(name, event, url, false, isMainFrame);
    return !event.defaultPrevented;
  }

  #requested({ url, reason }: CdpParams): void {
    const isHere = withoutHash(fromChromium(String(url))) === withoutHash(this.#mainFrame.url);
    if (reason === "reload" || isHere) this.#pageReloads += 1;
  }

  #frame(id: string, parentId: string | undefined): WebFrame {
    const known = this.#frames.get(id);
    if (known) return known;
    const parent = this.#frames.get(parentId ?? "") ?? this.#mainFrame;
    const frame = new WebFrame(this.#contents, id, parent, "about:blank");
    this.#frames.set(id, frame);
    return frame;
  }

  #detach(id: string, reason: string): void {
    if (reason === "swap") return;
    const frame = this.#frames.get(id);
    if (frame) frame.detached = true;
    this.#frames.delete(id);
  }

  #arrived(frame: WebFrame, url: string, inPage: boolean): void {
    frame.url = fromChromium(url);
    const isMain = frame === this.#mainFrame;
    if (inPage) this.#contents.emit("did-navigate-in-page", {}, frame.url, isMain);
    else if (isMain) this.#contents.emit("did-navigate", {}, frame.url, 200, "OK");
  }
}

function withoutHash(url: string): string {
  return url.split("#")[0] ?? "";
}
