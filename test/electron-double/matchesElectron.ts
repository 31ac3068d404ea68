/**
 * The double's classes held against Electron's own types: a method that Electron renames or retypes stops compiling here.
 * (The modules that are plain objects say the same with `satisfies` where they are defined.)
 */
import type { BrowserWindow } from "./browserWindow.ts";
import type { Menu, MenuItem } from "./menu.ts";
import type { Session } from "./session.ts";
import type { WebContents } from "./webContents.ts";
import type { WebFrame } from "./webFrame.ts";
import type { WebRequest } from "./webRequest.ts";

/** Members whose types mention no other class of Electron's, for a double's class can never be that. */
interface Checked {
  window: [
    BrowserWindow,
    Pick<
      Electron.BrowserWindow,
      | ("loadURL" | "close" | "destroy" | "isDestroyed" | "reload" | "show" | "showInactive" | "hide" | "isVisible")
      | ("focus" | "blur" | "isFocused" | "minimize" | "maximize" | "unmaximize" | "restore" | "setFullScreen")
      | (
          | "isMinimized"
          | "isMaximized"
          | "isFullScreen"
          | "getBounds"
          | "getNormalBounds"
          | "getContentBounds"
          | "setBounds"
        )
      | ("getSize" | "setSize" | "getPosition" | "setPosition" | "getTitle" | "setTitle" | "center" | "setMinimumSize")
      | ("setMenuBarVisibility" | "setAutoHideMenuBar" | "setBackgroundColor" | "setTitleBarOverlay" | "setProgressBar")
    >,
  ];
  contents: [
    WebContents,
    Pick<
      Electron.WebContents,
      | (
          | "id"
          | "loadURL"
          | "reload"
          | "reloadIgnoringCache"
          | "getURL"
          | "getTitle"
          | "isLoading"
          | "isDestroyed"
          | "isCrashed"
        )
      | ("send" | "setWindowOpenHandler" | "executeJavaScript" | "insertCSS" | "setZoomFactor" | "getZoomFactor")
      | (
          | "setZoomLevel"
          | "getZoomLevel"
          | "setVisualZoomLevelLimits"
          | "openDevTools"
          | "closeDevTools"
          | "toggleDevTools"
        )
      | ("isDevToolsOpened" | "setIgnoreMenuShortcuts" | "setBackgroundThrottling" | "focus" | "close")
    >,
  ];
  frame: [WebFrame, Pick<Electron.WebFrameMain, "url" | "origin" | "routingId" | "processId" | "isDestroyed" | "send">];
  session: [
    Session,
    Pick<
      Electron.Session,
      | ("isPersistent" | "setPermissionRequestHandler" | "setPermissionCheckHandler" | "setSpellCheckerEnabled")
      | (
          | "setSpellCheckerLanguages"
          | "setSpellCheckerDictionaryDownloadURL"
          | "setUserAgent"
          | "setProxy"
          | "clearCache"
        )
      | ("clearStorageData" | "closeAllConnections" | "enableNetworkEmulation" | "setDevicePermissionHandler")
    >,
  ];
  webRequest: [WebRequest, Pick<Electron.WebRequest, "onBeforeRequest" | "onHeadersReceived">];
  menu: [Menu, Pick<Electron.Menu, "closePopup" | "popup">];
  item: [MenuItem, Pick<Electron.MenuItem, "id" | "label" | "type" | "enabled" | "visible" | "checked">];
}
type Faithful<Pair> = Pair extends [infer Double, infer Real] ? (Double extends Real ? true : never) : never;

export const matchesElectron: { [Name in keyof Checked]: Faithful<Checked[Name]> } = {
  window: true,
  contents: true,
  frame: true,
  session: true,
  webRequest: true,
  menu: true,
  item: true,
};
