/** Menu and MenuItem as data: built, remembered, and clickable by the test; nothing is drawn and no accelerator listens. */
import { BrowserWindow } from "./browserWindow.ts";
import { record } from "./record.ts";

type Template = Electron.MenuItemConstructorOptions;

let applicationMenu: Menu | null = null;
let popup: Menu | null = null;

export class MenuItem {
  readonly id: string;
  readonly label: string;
  readonly type: NonNullable<Template["type"]>;
  readonly role: Template["role"];
  readonly accelerator: Template["accelerator"];
  readonly submenu: Menu | undefined;
  enabled: boolean;
  visible: boolean;
  checked: boolean;
  readonly #click: Template["click"];

  constructor(options: Template) {
    this.id = options.id ?? "";
    this.label = options.label ?? options.role ?? "";
    this.type = options.type ?? (options.submenu ? "submenu" : "normal");
    this.role = options.role;
    this.accelerator = options.accelerator;
    this.enabled = options.enabled ?? true;
    this.visible = options.visible ?? true;
    this.checked = options.checked ?? false;
    this.#click = options.click;
    const { submenu } = options;
    if (Array.isArray(submenu)) this.submenu = Menu.buildFromTemplate(submenu);
    else this.submenu = submenu as unknown as Menu | undefined;
  }

  click(): void {
    record("MenuItem", "click", [this.label]);
    if (this.type === "checkbox") this.checked = !this.checked;
    const window = BrowserWindow.getFocusedWindow() ?? BrowserWindow.getAllWindows()[0];
    this.#click?.(this as unknown as Electron.MenuItem, window as unknown as Electron.BrowserWindow, {
      triggeredByAccelerator: false,
    });
  }
}

export class Menu {
  readonly items: MenuItem[] = [];

  static buildFromTemplate(template: (Template | MenuItem)[]): Menu {
    const menu = new Menu();
    for (const item of template) menu.append(item instanceof MenuItem ? item : new MenuItem(item));
    return menu;
  }

  static setApplicationMenu(menu: Menu | null): void {
    record("Menu", "setApplicationMenu", [menu?.items.map((item) => item.label)]);
    applicationMenu = menu;
  }

  static getApplicationMenu(): Menu | null {
    return applicationMenu;
  }

  append(item: MenuItem): void {
    this.items.push(item);
  }

  insert(position: number, item: MenuItem): void {
    this.items.splice(position, 0, item);
  }

  getMenuItemById(id: string): MenuItem | null {
    return flatten(this).find((item) => item.id === id) ?? null;
  }

  popup(options?: Electron.PopupOptions): void {
    record("Menu", "popup", [this.items.map((item) => item.label), options]);
    showPopup(this);
  }

  closePopup(): void {
    popup = null;
  }
}

/** For the test: clicks the item with this id or label in the last pop-up or the application menu. */
export function clickMenu(name: string): void {
  const items = [popup, applicationMenu].flatMap((menu) => (menu ? flatten(menu) : []));
  const item = items.find(({ id, label }) => id === name || label === name);
  if (!item) throw new Error(`No menu item '${name}' among: ${items.map(({ label }) => label).join(", ")}`);
  if (!item.enabled) throw new Error(`The menu item '${name}' is disabled`);
  item.click();
}

function showPopup(menu: Menu): void {
  popup = menu;
}

function flatten(menu: Menu): MenuItem[] {
  return menu.items.flatMap((item) => [item, ...(item.submenu ? flatten(item.submenu) : [])]);
}
