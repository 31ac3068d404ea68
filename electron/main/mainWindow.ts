// The window: hardened, remembered in size and place by Electron itself, shown when its first frame is there.
import { BrowserWindow, nativeTheme } from "electron";
import { pageUrl } from "./pageOrigin.ts";

/** @param beforeLoad runs with the window before its page can call anything. */
export function openMainWindow(preload: string, beforeLoad: (window: BrowserWindow) => void): BrowserWindow {
  const window = new BrowserWindow({
    name: "main",
    windowStatePersistence: true,
    width: 1280,
    height: 800,
    minWidth: 880,
    minHeight: 560,
    show: false,
    title: "Conclave",
    // What is seen for the moment before the page paints.
    backgroundColor: nativeTheme.shouldUseDarkColors ? "#18181b" : "#ffffff",
    autoHideMenuBar: true,
    webPreferences: {
      preload,
      contextIsolation: true,
      sandbox: true,
      nodeIntegration: false,
      nodeIntegrationInWorker: false,
      nodeIntegrationInSubFrames: false,
      webviewTag: false,
      webSecurity: true,
      allowRunningInsecureContent: false,
      experimentalFeatures: false,
      navigateOnDragDrop: false,
      safeDialogs: true,
      spellcheck: false,
    },
  });
  window.once("ready-to-show", () => window.show());
  beforeLoad(window);
  void window.loadURL(pageUrl);
  return window;
}
