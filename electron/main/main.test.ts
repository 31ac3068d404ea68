// The desktop entry's rules, each on a bare stand-in for the Electron object it drives. That the whole runs is the
// end-to-end tests' business.
import { EventEmitter } from "node:events";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { allCallChannels } from "../contract/ipc.ts";
import { menuRoles, nativeTexts } from "./nativeTexts.ts";
import { isOwnUrl, pageOrigin } from "./pageOrigin.ts";

type Invoke = (event: unknown, input: unknown) => Promise<unknown>;

const electron = vi.hoisted(() => ({
  handlers: new Map<string, Invoke>(),
  created: [] as ((event: unknown, contents: unknown) => void)[],
  opened: [] as string[],
  response: 1,
  asked: [] as { message: string }[],
  scheme: undefined as ((request: Request) => Promise<Response>) | undefined,
}));
vi.mock("electron", () => ({
  app: {
    isPackaged: true,
    on: (_name: string, listener: (event: unknown, contents: unknown) => void) => electron.created.push(listener),
  },
  ipcMain: {
    handle: (channel: string, handler: Invoke) => electron.handlers.set(channel, handler),
    removeHandler: (channel: string) => electron.handlers.delete(channel),
  },
  dialog: {
    showMessageBox: async (...args: { message: string }[]) => {
      const options = args.at(-1);
      if (options !== undefined) electron.asked.push(options);
      return { response: electron.response };
    },
  },
  shell: { openExternal: async (url: string) => void electron.opened.push(url) },
  protocol: {
    registerSchemesAsPrivileged: () => undefined,
    handle: (_scheme: string, handler: (request: Request) => Promise<Response>) => (electron.scheme = handler),
  },
  Menu: {},
}));

const { guardDownloads, safeFileName } = await import("./downloads.ts");
const { serveIpc } = await import("./ipc.ts");
const { lockDownContents, lockDownSession } = await import("./lockDown.ts");
const { menuTemplate } = await import("./menu.ts");
const { openExternalSafe } = await import("./openExternalSafe.ts");
const { servePage } = await import("./pageScheme.ts");

beforeEach(() => {
  electron.handlers.clear();
  electron.created.length = 0;
  electron.opened.length = 0;
  electron.asked.length = 0;
});

describe("addresses", () => {
  it.each([
    ["app://bundle/", true],
    ["app://bundle/assets/x.js", true],
    ["app://bundle.evil/", false],
    ["app://other/", false],
    ["https://bundle/", false],
    ["file:///etc/passwd", false],
    ["javascript:alert(1)", false],
    ["nonsense", false],
  ])("%s is ours: %s", (url, own) => expect(isOwnUrl(url)).toBe(own));
});

describe("ipc", () => {
  function contents(id: number, origin = pageOrigin) {
    const mainFrame = { origin };
    return Object.assign(new EventEmitter(), {
      id,
      mainFrame,
      isDestroyed: () => false,
      sent: [] as unknown[][],
      send(...args: unknown[]) {
        this.sent.push(args);
      },
    });
  }
  const dispatched: unknown[][] = [];
  const denied: string[] = [];
  let publish: (event: { service: "settings"; event: string; payload: unknown }) => void = () => undefined;
  function serve() {
    dispatched.length = 0;
    denied.length = 0;
    return serveIpc(
      {
        dispatch: async (...args) => (dispatched.push(args), { ok: true, value: null }),
        subscribe: (listener) => ((publish = listener), () => undefined),
      },
      (channel) => denied.push(channel),
    );
  }

  it("handles exactly the contract's calls, and none after the end", () => {
    const ipc = serve();
    expect([...electron.handlers.keys()]).toEqual(allCallChannels());
    ipc.close();
    expect(electron.handlers.size).toBe(0);
  });

  it("answers only the main frame of a window of ours on our page", async () => {
    const ipc = serve();
    const own = contents(1);
    const stranger = contents(2);
    const strayed = contents(3, "https://evil.example");
    ipc.admit(own as never);
    ipc.admit(strayed as never);
    const call = (sender: unknown, senderFrame: unknown) =>
      electron.handlers.get("settings.get")?.({ sender, senderFrame }, {});
    expect(await call(own, own.mainFrame)).toMatchObject({ ok: true });
    for (const [sender, frame] of [
      [own, { origin: pageOrigin }],
      [own, null],
      [stranger, stranger.mainFrame],
      [strayed, strayed.mainFrame],
    ]) {
      expect(await call(sender, frame)).toMatchObject({ ok: false, error: { code: "forbidden" } });
    }
    expect(dispatched).toEqual([["settings", "get", {}]]);
    expect(denied).toHaveLength(4);
  });

  it("sends events to admitted windows until they are gone", () => {
    const ipc = serve();
    const own = contents(1);
    ipc.admit(own as never);
    publish({ service: "settings", event: "changed", payload: 1 });
    own.emit("destroyed");
    publish({ service: "settings", event: "changed", payload: 2 });
    expect(own.sent).toEqual([["settings/changed", 1]]);
  });
});

describe("lock-down", () => {
  it("denies windows, webviews and every navigation away", () => {
    lockDownContents(() => undefined);
    let open: ((details: { url: string }) => unknown) | undefined;
    const contents = Object.assign(new EventEmitter(), {
      setWindowOpenHandler: (handler: typeof open) => (open = handler),
    });
    electron.created[0]?.({}, contents);
    expect(open?.({ url: "https://example.org" })).toEqual({ action: "deny" });
    for (const name of ["will-navigate", "will-frame-navigate", "will-redirect", "will-attach-webview"]) {
      const away = { url: "https://evil.example/?secret", preventDefault: vi.fn() };
      contents.emit(name, away);
      expect(away.preventDefault, name).toHaveBeenCalledOnce();
    }
    const home = { url: "app://bundle/", preventDefault: vi.fn() };
    contents.emit("will-navigate", home);
    expect(home.preventDefault).not.toHaveBeenCalled();
  });

  it("denies permissions, devices and requests that leave the app", () => {
    const set: Record<string, (...args: never[]) => unknown> = {};
    const keep = (name: string) => (handler: never) => (set[name] = handler);
    lockDownSession(
      {
        setPermissionRequestHandler: keep("request"),
        setPermissionCheckHandler: keep("check"),
        setDevicePermissionHandler: keep("device"),
        setSpellCheckerEnabled: keep("spell"),
        webRequest: { onBeforeRequest: keep("before") },
      } as never,
      () => undefined,
    );
    const check = set["check"] as unknown as (contents: null, permission: string) => boolean;
    for (const permission of ["media", "geolocation", "notifications", "clipboard-read", "fileSystem", "hid"]) {
      expect(check(null, permission), permission).toBe(false);
    }
    expect(check(null, "clipboard-sanitized-write")).toBe(true);
    expect((set["device"] as () => boolean)()).toBe(false);
    const cancelled = (url: string): boolean => {
      const answers: { cancel: boolean }[] = [];
      (set["before"] as unknown as (details: { url: string }, answer: (value: { cancel: boolean }) => void) => void)(
        { url },
        (value) => answers.push(value),
      );
      return answers[0]?.cancel === true;
    };
    expect(
      [
        "https://example.org/",
        "http://127.0.0.1:1/",
        "ws://x/",
        "file:///etc/passwd",
        "data:text/html,x",
        "devtools://x/",
      ].every(cancelled),
    ).toBe(true);
    expect(["app://bundle/index.html", "blob:app://bundle/1"].some(cancelled)).toBe(false);
  });
});

describe("downloads", () => {
  function offer(url: string, name: string) {
    const session = new EventEmitter();
    const events = { onDenied: vi.fn(), onFailed: vi.fn() };
    guardDownloads(session as never, "/home/me/Downloads", events);
    const item = Object.assign(new EventEmitter(), {
      getURL: () => url,
      getFilename: () => name,
      getSavePath: () => "/full/a.json",
      setSaveDialogOptions: vi.fn(),
    });
    const event = { preventDefault: vi.fn() };
    session.emit("will-download", event, item);
    return { item, event, ...events };
  }

  it("are the page's own files, offered in the Downloads folder under a name that is only a name", () => {
    const { item, event, onFailed } = offer("blob:app://bundle/1", "../../.bashrc");
    expect(event.preventDefault).not.toHaveBeenCalled();
    expect(item.setSaveDialogOptions).toHaveBeenCalledWith({ defaultPath: "/home/me/Downloads/bashrc" });
    item.emit("done", {}, "cancelled");
    expect(onFailed).not.toHaveBeenCalled();
    item.emit("done", {}, "interrupted");
    expect(onFailed).not.toHaveBeenCalled();
    const full = offer("blob:app://bundle/1", "a.json");
    full.item.emit("done", {}, "interrupted");
    expect(full.onFailed).toHaveBeenCalledWith("/full/a.json");
  });

  it.each([
    "https://evil.example/x.exe?secret",
    "blob:https://evil.example/1",
    "data:text/html,x",
    "blob:app://other/1",
  ])("of %s are refused", (url) => {
    const { event, onDenied } = offer(url, "x");
    expect(event.preventDefault).toHaveBeenCalledOnce();
    expect(onDenied.mock.calls[0]?.[1]).not.toContain("secret");
  });

  it.each([
    ["a\u202Egnp.exe", "a_gnp.exe"],
    ["..", "conclave.txt"],
    ['a:b"c', "a_b_c"],
    [".hidden", "hidden"],
  ])("name %j becomes %j", (name, safe) => expect(safeFileName(name)).toBe(safe));
});

describe("links", () => {
  it("open only after the user has seen the host and agreed", async () => {
    electron.response = 1;
    expect(await openExternalSafe(new URL("https://example.org/a"), null, nativeTexts.en)).toBe(false);
    expect(electron.opened).toEqual([]);
    electron.response = 0;
    expect(await openExternalSafe(new URL("https://xn--bcher-kva.example:8443/a?b"), null, nativeTexts.en)).toBe(true);
    expect(electron.opened).toEqual(["https://xn--bcher-kva.example:8443/a?b"]);
    expect(electron.asked[1]?.message).toContain("xn--bcher-kva.example:8443");
  });
});

describe("page", () => {
  it("is served only under our origin, with its policy", async () => {
    servePage(import.meta.dirname, () => undefined);
    const get = async (url: string, init?: RequestInit) => electron.scheme?.(new Request(url, init));
    for (const url of ["app://bundle/main.ts", "app://bundle/../main.ts", "app://other/main.ts", "app://bundle/"]) {
      expect((await get(url))?.ok, url).toBe(false);
    }
    expect((await get("app://bundle/", { method: "POST" }))?.status).toBe(403);
    expect((await get("app://bundle/"))?.headers.get("content-security-policy")).toContain("default-src 'none'");
  });
});

describe("menu", () => {
  it("has the editing keys everywhere and reload nowhere", () => {
    for (const platform of ["linux", "darwin", "win32"] as const) {
      const text = JSON.stringify(menuTemplate(platform, true, nativeTexts.en));
      for (const role of ["undo", "copy", "paste", "selectAll", "zoomIn", "resetZoom", "minimize"])
        expect(text).toContain(`"${role}"`);
      expect(text).not.toMatch(/reload|toggleDevTools/i);
    }
    expect(JSON.stringify(menuTemplate("linux", false, nativeTexts.en))).toContain("toggleDevTools");
  });

  it("names every item in every other language, and asks about links in it", async () => {
    for (const [language, texts] of Object.entries(nativeTexts)) {
      if (language !== "en") expect([language, new Set(texts.roles).size]).toEqual([language, menuRoles.length]);
      expect([texts.openInBrowser, texts.writeMail].every((text) => text.split("%").length === 2)).toBe(true);
    }
    expect(JSON.stringify(menuTemplate("win32", true, nativeTexts.de))).toContain(
      '{"role":"selectAll","label":"Alles auswählen"}',
    );
    await openExternalSafe(new URL("https://example.org/$&"), null, nativeTexts.fr);
    expect(electron.asked[0]?.message).toBe("Ouvrir example.org dans votre navigateur ?");
  });
});
