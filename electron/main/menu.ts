// The application menu: only the system's standard roles, so that editing, zoom and window keys work everywhere. There is
// no reload (it would stop listening to a running answer), and developer tools only outside a package.
import { Menu, type MenuItemConstructorOptions } from "electron";
import { type MenuRole, menuRoles, type NativeTexts } from "./nativeTexts.ts";

type Item = MenuItemConstructorOptions;
const separator: Item = { type: "separator" };

export function menuTemplate(platform: NodeJS.Platform, packaged: boolean, { menus, roles }: NativeTexts): Item[] {
  const standard = (role: MenuRole): Item => {
    const label = roles?.[menuRoles.indexOf(role)];
    return label === undefined ? { role } : { role, label };
  };
  const mac = platform === "darwin";
  const edit: Item[] = [
    standard("undo"),
    standard("redo"),
    separator,
    standard("cut"),
    standard("copy"),
    standard("paste"),
    standard("pasteAndMatchStyle"),
    standard("delete"),
    standard("selectAll"),
  ];
  const view: Item[] = [
    standard("resetZoom"),
    standard("zoomIn"),
    standard("zoomOut"),
    separator,
    standard("togglefullscreen"),
    ...(packaged ? [] : [separator, { role: "toggleDevTools" } satisfies Item]),
  ];
  return [
    ...(mac ? [{ role: "appMenu" } satisfies Item] : []),
    { label: menus.file, submenu: [standard(mac ? "close" : "quit")] },
    { label: menus.edit, submenu: edit },
    { label: menus.view, submenu: view },
    {
      label: menus.window,
      submenu: [
        standard("minimize"),
        ...(mac ? [{ role: "zoom" } satisfies Item, separator, { role: "front" } satisfies Item] : [standard("close")]),
      ],
    },
  ];
}

export function setMenu(packaged: boolean, texts: NativeTexts): void {
  Menu.setApplicationMenu(Menu.buildFromTemplate(menuTemplate(process.platform, packaged, texts)));
}
