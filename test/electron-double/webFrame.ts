/** A frame as the main process sees it: Electron's WebFrameMain, as far as sender checks need it. */
import type { WebContents } from "./webContents.ts";

let nextRoutingId = 1;

export class WebFrame {
  readonly routingId = nextRoutingId++;
  readonly processId: number;
  readonly chromiumId: string;
  readonly parent: WebFrame | null;
  readonly frameTreeNodeId = this.routingId;
  detached = false;
  url: string;
  readonly #contents: WebContents;

  constructor(contents: WebContents, chromiumId: string, parent: WebFrame | null, url: string) {
    this.#contents = contents;
    this.processId = contents.id;
    this.chromiumId = chromiumId;
    this.parent = parent;
    this.url = url;
  }

  get top(): WebFrame {
    return this.parent?.top ?? this;
  }

  /** As Electron: scheme://host without a trailing slash; 'null' for about:blank. */
  get origin(): string {
    return /^([a-z][a-z0-9+.-]*:\/\/[^/?#]*)/i.exec(this.url)?.[1] ?? "null";
  }

  isDestroyed(): boolean {
    return this.detached || this.#contents.isDestroyed();
  }

  send(channel: string, ...args: unknown[]): void {
    this.#contents.send(channel, ...args);
  }
}
