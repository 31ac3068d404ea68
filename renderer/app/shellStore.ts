// What the shell itself has open.
import { create } from "zustand";

interface ShellStore {
  readonly settingsOpen: boolean;
  /** In a narrow window: the sidebar lies over the chat. */
  readonly sidebarOver: boolean;
}

export const useShell = create<ShellStore>()(() => ({ settingsOpen: false, sidebarOver: false }));
