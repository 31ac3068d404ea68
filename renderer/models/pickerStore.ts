// Whether the model picker is open: the shortcut and the status bar open it too.
import { create } from "zustand";

export const usePicker = create<{ readonly open: boolean }>()(() => ({ open: false }));
