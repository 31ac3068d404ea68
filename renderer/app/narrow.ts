// Whether the window is too narrow for the sidebar to stand beside the chat; then it lies over it, and only while asked for.
import { useSyncExternalStore } from "react";

const narrow = window.matchMedia("(max-width: 959px)");

export const isNarrow = (): boolean => narrow.matches;

export function useNarrow(): boolean {
  return useSyncExternalStore((listener) => {
    narrow.addEventListener("change", listener);
    return () => narrow.removeEventListener("change", listener);
  }, isNarrow);
}
