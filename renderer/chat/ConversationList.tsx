// The sidebar's list: pinned first, then folders, then by day, and the archive last.
import { useEffect, useState, type DragEvent, type KeyboardEvent, type ReactNode } from "react";
import { Archive, ChevronRight, Folder as FolderIcon, MoreHorizontal } from "lucide-react";
import type { Conversation } from "../../electron/contract/chat.ts";
import type { Folder } from "../../electron/contract/library.ts";
import { t } from "../i18n/texts.ts";
import { Menu, MenuItem } from "../ui/Menu.tsx";
import { deleteFolder, moveToFolder, nameFolder, setArchived } from "./actions/libraryActions.ts";
import { useChat } from "./chatStore.ts";
import { ConversationRow, draggedType } from "./ConversationRow.tsx";
import { groupByAge } from "./groupByAge.ts";
import { archiveId, toggleOpen, useLibrary } from "./libraryStore.ts";

/** Moves on every ten minutes, so that "Today" ends at midnight. */
function useNow(): Date {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    const timer = setInterval(() => setNow(new Date()), 600_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

function Rows({ conversations }: { readonly conversations: readonly Conversation[] }) {
  const openId = useChat((state) => state.openId);
  const runs = useChat((state) => state.runs);
  const generating = new Set([...runs.values()].map((run) => run.conversationId));
  return (
    <ul>
      {conversations.map((conversation) => (
        <li key={conversation.id}>
          <ConversationRow
            conversation={conversation}
            open={conversation.id === openId}
            generating={generating.has(conversation.id)}
          />
        </li>
      ))}
    </ul>
  );
}

function FolderName({ value }: { readonly value: string }) {
  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>): void => {
    if (event.key === "Enter") void nameFolder(event.currentTarget.value);
    if (event.key === "Escape") useLibrary.setState({ naming: null });
  };
  return (
    <input
      aria-label={t("chat.folderName")}
      placeholder={t("chat.folderName")}
      defaultValue={value}
      maxLength={100}
      // The reader has just asked to type here.
      // oxlint-disable-next-line jsx-a11y/no-autofocus
      autoFocus
      onFocus={(event) => event.currentTarget.select()}
      onBlur={(event) => void nameFolder(event.currentTarget.value)}
      onKeyDown={onKeyDown}
      className="h-8 w-full rounded-md border border-accent bg-raised px-2"
    />
  );
}

interface DrawerProps {
  readonly id: string;
  readonly name: string;
  readonly icon: ReactNode;
  readonly conversations: readonly Conversation[];
  readonly menu?: ReactNode;
  onDrop?(conversation: Conversation): void;
}

/** A folder or the archive: a line that opens onto its conversations. */
function Drawer({ id, name, icon, conversations, menu, onDrop }: DrawerProps) {
  const open = useLibrary((state) => state.open.has(id));
  const [over, setOver] = useState(false);
  const onDragOver = (event: DragEvent): void => {
    if (onDrop === undefined || !event.dataTransfer.types.includes(draggedType)) return;
    event.preventDefault();
    setOver(true);
  };
  const onDropped = (event: DragEvent): void => {
    setOver(false);
    const dropped = event.dataTransfer.getData(draggedType);
    const conversation = useChat.getState().conversations.find((candidate) => candidate.id === dropped);
    if (conversation !== undefined) onDrop?.(conversation);
  };
  return (
    <section aria-label={name}>
      <div
        className={`group flex h-8 items-center rounded-md pr-1 text-muted hover:bg-hover ${over ? "bg-hover outline-2 outline-accent" : ""}`}
      >
        <button
          type="button"
          aria-expanded={open}
          onClick={() => toggleOpen(id)}
          onDragOver={onDragOver}
          onDragLeave={() => setOver(false)}
          onDrop={onDropped}
          className="flex h-full min-w-0 flex-1 items-center gap-1.5 pl-1 text-left hover:text-ink"
        >
          <ChevronRight size={14} aria-hidden className={`shrink-0 transition-transform ${open ? "rotate-90" : ""}`} />
          {icon}
          <span className="truncate">{name}</span> <span className="text-xs tabular-nums">{conversations.length}</span>
        </button>
        {menu}
      </div>
      {open && (
        <div className="ml-3 border-l border-line pl-1.5">
          {conversations.length === 0 ? (
            <p className="px-2 py-1 text-xs text-muted">{t("chat.folderEmpty")}</p>
          ) : (
            <Rows conversations={conversations} />
          )}
        </div>
      )}
    </section>
  );
}

function FolderMenu({ folder }: { readonly folder: Folder }) {
  return (
    <Menu
      trigger={
        <button
          type="button"
          aria-label={t("chat.folderActions", { name: folder.name })}
          className="flex size-6 shrink-0 items-center justify-center rounded opacity-0 group-focus-within:opacity-100 group-hover:opacity-100 hover:text-ink data-[state=open]:opacity-100"
        >
          <MoreHorizontal size={16} aria-hidden />
        </button>
      }
    >
      <MenuItem
        label={t("ui.rename")}
        movesFocus
        onSelect={() => useLibrary.setState({ naming: { folderId: folder.id, conversationId: null } })}
      />
      <MenuItem label={t("chat.deleteFolder")} danger onSelect={() => void deleteFolder(folder)} />
    </Menu>
  );
}

function Folders({ conversations }: { readonly conversations: readonly Conversation[] }) {
  const folders = useLibrary((state) => state.folders);
  const naming = useLibrary((state) => state.naming);
  if (folders.length === 0 && naming === null) return null;
  return (
    <div className="pt-2">
      {folders.map((folder) =>
        naming?.folderId === folder.id ? (
          <FolderName key={folder.id} value={folder.name} />
        ) : (
          <Drawer
            key={folder.id}
            id={folder.id}
            name={folder.name}
            icon={<FolderIcon size={14} aria-hidden className="shrink-0" />}
            conversations={conversations.filter(({ folderId }) => folderId === folder.id)}
            menu={<FolderMenu folder={folder} />}
            onDrop={(conversation) => void moveToFolder(conversation, folder.id)}
          />
        ),
      )}
      {naming !== null && naming.folderId === null && <FolderName value="" />}
    </div>
  );
}

export function ConversationList() {
  const all = useChat((state) => state.conversations);
  const now = useNow();
  const current = all.filter(({ archived }) => !archived);
  const archived = all.filter((conversation) => conversation.archived);
  const loose = current.filter(({ folderId, pinned }) => folderId === null || pinned);
  const [pinned, ...byDay] = groupByAge(loose, now);
  const groups = pinned?.label === t("chat.pinned") ? byDay : [pinned, ...byDay];
  return (
    <>
      {pinned?.label === t("chat.pinned") && <Group label={pinned.label} conversations={pinned.conversations} />}
      <Folders conversations={current} />
      {all.length === 0 && <p className="px-3 py-2 text-muted">{t("chat.noConversations")}</p>}
      {groups.map(
        (group) =>
          group !== undefined && <Group key={group.label} label={group.label} conversations={group.conversations} />,
      )}
      {archived.length > 0 && (
        <div className="pt-3">
          <Drawer
            id={archiveId}
            name={t("chat.archive")}
            icon={<Archive size={14} aria-hidden className="shrink-0" />}
            conversations={archived}
            onDrop={(conversation) => void setArchived(conversation.id, true)}
          />
        </div>
      )}
    </>
  );
}

function Group({ label, conversations }: { readonly label: string; readonly conversations: readonly Conversation[] }) {
  return (
    <section aria-label={label}>
      <h2 className="px-2 pt-3 pb-1 text-xs font-medium text-muted">{label}</h2>
      <Rows conversations={conversations} />
    </section>
  );
}
