// A user command as one object: the button, the menu, the shortcut and the tests all use it.

export interface Action {
  readonly id: string;
  readonly label: string;
  /** 'mod+shift+o': mod is Ctrl, or Command on a Mac. The first is shown. */
  readonly keys?: readonly string[];
  isEnabled?(): boolean;
  perform(): void | Promise<void>;
}
