/**
 * The door of the double: what `import ... from 'electron'` gives the production main process in an end-to-end test.
 *
 * A module that Electron has and this list has not is not provided: a named import of it fails to link.
 */
import { app } from "./app.ts";
import { BrowserWindow } from "./browserWindow.ts";
import { dialog } from "./dialog.ts";
import { ipcMain } from "./ipc.ts";
import { Menu, MenuItem } from "./menu.ts";
import { MessageChannelMain } from "./messagePorts.ts";
import { registerSchemesAsPrivileged, type SchemeHandlers } from "./protocol.ts";
import { session } from "./session.ts";
import { strict } from "./strict.ts";
import {
  clipboard,
  nativeTheme,
  Notification,
  powerMonitor,
  powerSaveBlocker,
  safeStorage,
  screen,
  shell,
} from "./system.ts";
import { utilityProcess } from "./utilityProcess.ts";
import { WebContents } from "./webContents.ts";

export {
  app,
  BrowserWindow,
  clipboard,
  dialog,
  ipcMain,
  Menu,
  MenuItem,
  MessageChannelMain,
  nativeTheme,
  Notification,
  powerMonitor,
  powerSaveBlocker,
  safeStorage,
  screen,
  session,
  shell,
  utilityProcess,
};

/** The default session's handlers, reached late because sessions exist only after ready. */
const defaultSchemes = (): SchemeHandlers => session.defaultSession.schemes;

export const protocol = strict("protocol", {
  registerSchemesAsPrivileged,
  handle: (scheme: string, handler: (request: Request) => Response | Promise<Response>) =>
    defaultSchemes().handle(scheme, handler),
  unhandle: (scheme: string) => defaultSchemes().unhandle(scheme),
  isProtocolHandled: (scheme: string) => defaultSchemes().isProtocolHandled(scheme),
} satisfies Partial<Electron.Protocol>);

export const webContents = strict("webContents module", {
  fromId: (id: number) => WebContents.fromId(id),
  getAllWebContents: () => WebContents.getAllWebContents(),
});

export default strict("electron", {
  app,
  BrowserWindow,
  clipboard,
  dialog,
  ipcMain,
  Menu,
  MenuItem,
  MessageChannelMain,
  nativeTheme,
  Notification,
  powerMonitor,
  powerSaveBlocker,
  protocol,
  safeStorage,
  screen,
  session,
  shell,
  utilityProcess,
  webContents,
});
