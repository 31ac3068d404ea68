// One conversation in the sidebar: opens with a click, is renamed in place, and everything else is in its menu.
import { useState, type KeyboardEvent } from "react";
import { MoreHorizontal, Pin } from "lucide-react";
import type { Conversation } from "../../electron/contract/chat.ts";
import { t } from "../i18n/texts.ts";
import { reportError } from "../platform/toasts.ts";
import { Menu, MenuItem, MenuSeparator, SubMenu } from "../ui/Menu.tsx";
import {
  deleteConversation,
  duplicateConversation,
  renameConversation,
  setPinned,
} from "./actions/conversationActions.ts";
import { exportFormats, exportConversations, moveToFolder, setArchived } from "./actions/libraryActions.ts";
import { openConversation } from "./chatStore.ts";
import { useLibrary } from "./libraryStore.ts";

interface RowProps {
  readonly conversation: Conversation;
  readonly open: boolean;
  readonly generating: boolean;
}

/** The kind of thing that is dragged from the list onto a folder. */
export const draggedType = "application/x-conclave-conversation";

function ExportMenu({ conversation }: { readonly conversation: Conversation }) {
  return (
    <SubMenu label={t("ui.export")}>
      {exportFormats.map((format) => (
        <MenuItem
          key={format}
          label={t(`chat.export-${format}`)}
          onSelect={() => void exportConversations([conversation.id], format)}
        />
      ))}
    </SubMenu>
  );
}

function MoveMenu({ conversation }: { readonly conversation: Conversation }) {
  const folders = useLibrary((state) => state.folders);
  return (
    <SubMenu label={t("chat.moveTo")}>
      {folders.map(({ id, name }) => (
        <MenuItem
          key={id}
          label={name}
          disabled={id === conversation.folderId}
          onSelect={() => void moveToFolder(conversation, id)}
        />
      ))}
      {conversation.folderId !== null && (
        <MenuItem label={t("chat.noFolder")} onSelect={() => void moveToFolder(conversation, null)} />
      )}
      <MenuItem
        label={t("chat.newFolder")}
        movesFocus
        onSelect={() => useLibrary.setState({ naming: { folderId: null, conversationId: conversation.id } })}
      />
    </SubMenu>
  );
}

export function ConversationRow({ conversation, open, generating }: RowProps) {
  const [renaming, setRenaming] = useState(false);
  const finish = (title: string): void => {
    setRenaming(false);
    if (title.trim() !== conversation.title) void renameConversation(conversation.id, title.trim());
  };
  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>): void => {
    if (event.key === "Enter") finish(event.currentTarget.value);
    if (event.key === "Escape") setRenaming(false);
  };

  if (renaming) {
    return (
      <input
        aria-label={t("chat.conversationTitle")}
        defaultValue={conversation.title}
        // The reader has just asked to type here.
        // oxlint-disable-next-line jsx-a11y/no-autofocus
        autoFocus
        onFocus={(event) => event.currentTarget.select()}
        onBlur={(event) => finish(event.currentTarget.value)}
        onKeyDown={onKeyDown}
        className="h-[34px] w-full rounded-md border border-accent bg-raised px-2"
      />
    );
  }
  return (
    <div
      draggable
      onDragStart={(event) => event.dataTransfer.setData(draggedType, conversation.id)}
      className={`group flex h-[34px] items-center rounded-md pr-1 pl-2 ${open ? "bg-hover" : "hover:bg-hover focus-within:bg-hover"}`}
    >
      <button
        type="button"
        aria-current={open ? "page" : undefined}
        onClick={() => void openConversation(conversation.id).catch(reportError)}
        onDoubleClick={() => setRenaming(true)}
        onKeyDown={(event) => {
          if (event.key === "F2") setRenaming(true);
        }}
        className="flex h-full min-w-0 flex-1 items-center gap-2 text-left"
      >
        {generating && (
          <span
            aria-label={t("chat.answering")}
            role="img"
            className="status-light size-2 shrink-0 rounded-full bg-accent"
          />
        )}
        <span className="truncate">{conversation.title}</span>
      </button>
      {conversation.pinned && <Pin size={12} aria-label={t("chat.pinned")} className="shrink-0 text-muted" />}
      <Menu
        trigger={
          <button
            type="button"
            aria-label={t("chat.conversationActions", { title: conversation.title })}
            className="flex size-6 shrink-0 items-center justify-center rounded text-muted opacity-0 group-focus-within:opacity-100 group-hover:opacity-100 hover:text-ink data-[state=open]:opacity-100"
          >
            <MoreHorizontal size={16} aria-hidden />
          </button>
        }
      >
        <MenuItem label={t("ui.rename")} hint="F2" movesFocus onSelect={() => setRenaming(true)} />
        <MenuItem
          label={conversation.pinned ? t("chat.unpin") : t("chat.pin")}
          onSelect={() => void setPinned(conversation.id, !conversation.pinned)}
        />
        <MoveMenu conversation={conversation} />
        <ExportMenu conversation={conversation} />
        <MenuItem label={t("chat.duplicate")} onSelect={() => void duplicateConversation(conversation.id)} />
        <MenuItem
          label={conversation.archived ? t("chat.unarchive") : t("chat.doArchive")}
          onSelect={() => void setArchived(conversation.id, !conversation.archived)}
        />
        <MenuSeparator />
        <MenuItem label={t("ui.delete")} danger onSelect={() => void deleteConversation(conversation.id)} />
      </Menu>
    </div>
  );
}
