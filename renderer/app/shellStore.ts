// What the shell itself has open.
import { create } from "zustand";

export type InspectorTab = "experts" | "settings";

interface ShellStore {
  readonly settingsOpen: boolean;
  readonly paletteOpen: boolean;
  readonly shortcutsOpen: boolean;
  /** In a narrow window: the sidebar lies over the chat. */
  readonly sidebarOver: boolean;
  /** What the column at the right shows. */
  readonly inspectorTab: InspectorTab;
}

export const useShell = create<ShellStore>()(() => ({
  settingsOpen: false,
  paletteOpen: false,
  shortcutsOpen: false,
  sidebarOver: false,
  inspectorTab: "experts",
}));
