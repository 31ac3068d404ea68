// Whether the words of the open conversation are being searched.
import { create } from "zustand";
import { t } from "../i18n/texts.ts";
import type { Action } from "../ui/action.ts";
import { useChat } from "./chatStore.ts";

export const useFind = create<{ readonly open: boolean }>()(() => ({ open: false }));

export const findInChat: Action = {
  id: "chat.find",
  get label() {
    return t("chat.findInChat");
  },
  keys: ["mod+f"],
  isEnabled: () => useChat.getState().openId !== null,
  perform: () => {
    useFind.setState({ open: true });
    requestAnimationFrame(() => document.getElementById("find")?.focus());
  },
};
