// Every command and every conversation by name: type a few letters, Enter does it.
import { Command } from "cmdk";
import { Dialog } from "radix-ui";
import { openConversation, useChat } from "../chat/chatStore.ts";
import { t } from "../i18n/texts.ts";
import { reportError } from "../platform/toasts.ts";
import type { Action } from "../ui/action.ts";
import { actions, shortcutText } from "./commands.ts";
import { useShell } from "./shellStore.ts";

/** Conversations listed; the rest is found by the search over all messages. */
const mostConversations = 50;

const close = (): void => useShell.setState({ paletteOpen: false });
const itemLook = "flex cursor-pointer items-center justify-between gap-4 rounded-md px-3 py-2 aria-selected:bg-hover";
const groupLook =
  "[&_[cmdk-group-heading]]:px-3 [&_[cmdk-group-heading]]:pt-2 [&_[cmdk-group-heading]]:pb-1 [&_[cmdk-group-heading]]:text-xs [&_[cmdk-group-heading]]:text-muted";

function Commands() {
  const available = Object.values(actions).filter(
    (action: Action) => action.id !== actions.openPalette.id && action.isEnabled?.() !== false,
  );
  const run = (action: Action): void => {
    close();
    // Once the dialog has given the focus back: the action may move it.
    setTimeout(() => void Promise.resolve(action.perform()).catch(reportError));
  };
  return (
    <Command.Group heading={t("app.commands")} className={groupLook}>
      {available.map((action: Action) => (
        <Command.Item key={action.id} value={action.label} onSelect={() => run(action)} className={itemLook}>
          {action.label}
          <kbd className="font-sans text-xs text-muted">{shortcutText(action)}</kbd>
        </Command.Item>
      ))}
    </Command.Group>
  );
}

function Conversations() {
  const conversations = useChat((state) => state.conversations);
  return (
    <Command.Group heading={t("chat.conversations")} className={groupLook}>
      {conversations.slice(0, mostConversations).map(({ id, title }) => (
        <Command.Item
          key={id}
          value={`${title} ${id}`}
          className={itemLook}
          onSelect={() => {
            close();
            void openConversation(id).catch(reportError);
          }}
        >
          <span className="truncate">{title}</span>
        </Command.Item>
      ))}
    </Command.Group>
  );
}

export function CommandPalette() {
  const open = useShell((shell) => shell.paletteOpen);
  return (
    <Dialog.Root open={open} onOpenChange={(next) => useShell.setState({ paletteOpen: next })}>
      <Dialog.Portal>
        <Dialog.Overlay className="fixed inset-0 z-40 bg-black/40" />
        <Dialog.Content
          aria-describedby={undefined}
          className="fixed top-[12vh] left-1/2 z-50 w-[560px] max-w-[94vw] -translate-x-1/2 overflow-hidden rounded-xl border border-line bg-raised shadow-2xl"
        >
          <Dialog.Title className="sr-only">{t("app.allCommands")}</Dialog.Title>
          <Command label={t("app.allCommands")} loop>
            <Command.Input
              placeholder={t("app.palettePlaceholder")}
              className="h-12 w-full border-b border-line bg-transparent px-4 text-base outline-offset-[-2px] placeholder:text-muted"
            />
            <Command.List className="max-h-[50vh] overflow-y-auto p-1.5">
              <Command.Empty className="px-3 py-6 text-center text-muted">{t("app.paletteEmpty")}</Command.Empty>
              <Commands />
              <Conversations />
            </Command.List>
          </Command>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
