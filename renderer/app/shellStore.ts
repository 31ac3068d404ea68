// What the shell itself has open.
import { create } from "zustand";

export const useShell = create<{ readonly settingsOpen: boolean }>()(() => ({ settingsOpen: false }));
