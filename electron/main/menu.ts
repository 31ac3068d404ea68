// The application menu: only the system's standard roles, so that editing, zoom and window keys work everywhere. There is
// no reload (it would stop listening to a running answer), and developer tools only outside a package.
import { Menu, type MenuItemConstructorOptions } from "electron";

type Item = MenuItemConstructorOptions;
const separator: Item = { type: "separator" };

export function menuTemplate(platform: NodeJS.Platform, packaged: boolean): Item[] {
  const mac = platform === "darwin";
  const edit: Item[] = [
    { role: "undo" },
    { role: "redo" },
    separator,
    { role: "cut" },
    { role: "copy" },
    { role: "paste" },
    { role: "pasteAndMatchStyle" },
    { role: "delete" },
    { role: "selectAll" },
  ];
  const view: Item[] = [
    { role: "resetZoom" },
    { role: "zoomIn" },
    { role: "zoomOut" },
    separator,
    { role: "togglefullscreen" },
    ...(packaged ? [] : [separator, { role: "toggleDevTools" } satisfies Item]),
  ];
  return [
    ...(mac ? [{ role: "appMenu" } satisfies Item] : []),
    { label: "File", submenu: [mac ? { role: "close" } : { role: "quit" }] },
    { label: "Edit", submenu: edit },
    { label: "View", submenu: view },
    {
      label: "Window",
      submenu: [
        { role: "minimize" },
        ...(mac
          ? [{ role: "zoom" } satisfies Item, separator, { role: "front" } satisfies Item]
          : [{ role: "close" } satisfies Item]),
      ],
    },
  ];
}

export function setMenu(packaged: boolean): void {
  Menu.setApplicationMenu(Menu.buildFromTemplate(menuTemplate(process.platform, packaged)));
}
