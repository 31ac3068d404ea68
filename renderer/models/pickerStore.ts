// Whether the model picker is open (the shortcut and the status bar open it too), and whose load is being looked at.
import { create } from "zustand";

export const usePicker = create<{ readonly open: boolean; readonly sheetFor: string | null }>()(() => ({
  open: false,
  sheetFor: null,
}));
