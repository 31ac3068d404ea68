// The sidebar's list: pinned first, then by day; renaming in place; a click on a search hit opens its conversation.
import { useEffect, useState, type KeyboardEvent } from "react";
import { MoreHorizontal, Pin } from "lucide-react";
import type { Conversation } from "../../electron/contract/chat.ts";
import { reportError } from "../platform/toasts.ts";
import { Menu, MenuItem } from "../ui/Menu.tsx";
import {
  deleteConversation,
  duplicateConversation,
  renameConversation,
  setPinned,
} from "./actions/conversationActions.ts";
import { openConversation, useChat } from "./chatStore.ts";
import { groupByAge } from "./groupByAge.ts";

interface RowProps {
  readonly conversation: Conversation;
  readonly open: boolean;
  readonly generating: boolean;
}

function Row({ conversation, open, generating }: RowProps) {
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
        aria-label="Conversation title"
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
        {generating && <span aria-label="Answering" role="img" className="size-2 shrink-0 rounded-full bg-accent" />}
        <span className="truncate">{conversation.title}</span>
      </button>
      {conversation.pinned && <Pin size={12} aria-label="Pinned" className="shrink-0 text-muted" />}
      <Menu
        trigger={
          <button
            type="button"
            aria-label={`Actions for ${conversation.title}`}
            className="flex size-6 shrink-0 items-center justify-center rounded text-muted opacity-0 group-focus-within:opacity-100 group-hover:opacity-100 hover:text-ink data-[state=open]:opacity-100"
          >
            <MoreHorizontal size={16} aria-hidden />
          </button>
        }
      >
        <MenuItem label="Rename" hint="F2" onSelect={() => setTimeout(() => setRenaming(true))} />
        <MenuItem
          label={conversation.pinned ? "Unpin" : "Pin"}
          onSelect={() => void setPinned(conversation.id, !conversation.pinned)}
        />
        <MenuItem label="Duplicate" onSelect={() => void duplicateConversation(conversation.id)} />
        <MenuItem label="Delete" danger onSelect={() => void deleteConversation(conversation.id)} />
      </Menu>
    </div>
  );
}

/** Moves on every ten minutes, so that "Today" ends at midnight. */
function useNow(): Date {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    const timer = setInterval(() => setNow(new Date()), 600_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

export function ConversationList() {
  const conversations = useChat((state) => state.conversations);
  const openId = useChat((state) => state.openId);
  const runs = useChat((state) => state.runs);
  const now = useNow();
  const generating = new Set([...runs.values()].map((run) => run.conversationId));
  if (conversations.length === 0) return <p className="px-3 py-2 text-muted">No conversations yet.</p>;
  return (
    <>
      {groupByAge(conversations, now).map((group) => (
        <section key={group.label} aria-label={group.label}>
          <h2 className="px-2 pt-3 pb-1 text-xs font-medium text-muted">{group.label}</h2>
          <ul>
            {group.conversations.map((conversation) => (
              <li key={conversation.id}>
                <Row
                  conversation={conversation}
                  open={conversation.id === openId}
                  generating={generating.has(conversation.id)}
                />
              </li>
            ))}
          </ul>
        </section>
      ))}
    </>
  );
}
