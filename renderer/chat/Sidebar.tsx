// The left column: new chat, search over all messages, the conversations, settings.
import { useEffect, useState } from "react";
import { MoreHorizontal, ScrollText, Settings as SettingsIcon, SquarePen } from "lucide-react";
import { t } from "../i18n/texts.ts";
import { reportError } from "../platform/toasts.ts";
import { client } from "../platform/client.ts";
import { IconButton } from "../ui/IconButton.tsx";
import { Menu, MenuItem } from "../ui/Menu.tsx";
import { newChat } from "./actions/conversationActions.ts";
import { exportAll, importConversations, newFolder } from "./actions/libraryActions.ts";
import { openConversation } from "./chatStore.ts";
import { ConversationList } from "./ConversationList.tsx";

type Hit = Awaited<ReturnType<typeof client.chat.search>>[number];

const typingPauseMs = 150;
const matchStart = "\uE000";
const matchEnd = "\uE001";

/** The snippet with its matches marked; the text itself is never read as markup. */
function Snippet({ text }: { readonly text: string }) {
  let at = 0;
  return text.split(matchStart).map((piece) => {
    const [match, rest] = piece.includes(matchEnd) ? piece.split(matchEnd) : [null, piece];
    at += piece.length + 1;
    return (
      <span key={at}>
        {match !== null && <mark className="bg-transparent font-semibold text-accent">{match}</mark>}
        {rest}
      </span>
    );
  });
}

function SearchResults({ query }: { readonly query: string }) {
  const [hits, setHits] = useState<readonly Hit[] | null>(null);
  useEffect(() => {
    let current = true;
    const timer = setTimeout(() => {
      client.chat
        .search({ query, limit: 50 })
        .then((found) => {
          if (current) setHits(found);
        })
        .catch(reportError);
    }, typingPauseMs);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [query]);

  if (hits === null) return null;
  if (hits.length === 0) return <p className="px-3 py-2 text-muted">{t("chat.noHits", { query })}</p>;
  return (
    <ul aria-label={t("chat.searchResults")}>
      {hits.map((hit) => (
        <li key={hit.messageId}>
          <button
            type="button"
            onClick={() => void openConversation(hit.conversationId).catch(reportError)}
            className="w-full rounded-md px-2 py-1.5 text-left hover:bg-hover"
          >
            <span className="block truncate font-medium">{hit.conversationTitle}</span>
            <span className="line-clamp-2 text-xs text-muted">
              <Snippet text={hit.snippet} />
            </span>
          </button>
        </li>
      ))}
    </ul>
  );
}

interface SidebarProps {
  readonly width: number;
  onTemplates(): void;
  onSettings(): void;
}

export function Sidebar({ width, onTemplates, onSettings }: SidebarProps) {
  const [query, setQuery] = useState("");
  return (
    <nav
      aria-label={t("chat.conversations")}
      style={{ width }}
      className="flex h-full shrink-0 flex-col border-r border-line bg-surface"
    >
      <div className="flex flex-col gap-2 p-2">
        <div className="flex items-center">
          <button
            type="button"
            onClick={() => void newChat.perform()}
            className="flex h-9 flex-1 items-center gap-2 rounded-md px-2 font-medium hover:bg-hover"
          >
            <SquarePen size={16} aria-hidden /> {t("chat.newChat")}
          </button>
          <Menu
            align="end"
            trigger={
              <IconButton label={t("chat.moreForConversations")}>
                <MoreHorizontal size={16} aria-hidden />
              </IconButton>
            }
          >
            {[newFolder, importConversations, exportAll].map(({ id, label, isEnabled, perform }) => (
              <MenuItem
                key={id}
                label={label}
                disabled={isEnabled?.() === false}
                movesFocus
                onSelect={() => void perform()}
              />
            ))}
          </Menu>
        </div>
        <input
          id="search"
          type="search"
          aria-label={t("chat.searchAll")}
          placeholder={t("chat.search")}
          value={query}
          onChange={(event) => setQuery(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Escape") setQuery("");
          }}
          className="h-8 rounded-md border border-line bg-raised px-2.5 placeholder:text-muted"
        />
      </div>
      <div className="min-h-0 flex-1 overflow-y-auto px-2 pb-2">
        {query.trim() === "" ? <ConversationList /> : <SearchResults query={query.trim()} />}
      </div>
      <div className="border-t border-line p-2">
        <button
          type="button"
          onClick={onTemplates}
          className="flex h-9 w-full items-center gap-2 rounded-md px-2 hover:bg-hover"
        >
          <ScrollText size={16} aria-hidden /> {t("templates.title")}
        </button>
        <button
          type="button"
          onClick={onSettings}
          className="flex h-9 w-full items-center gap-2 rounded-md px-2 hover:bg-hover"
        >
          <SettingsIcon size={16} aria-hidden /> {t("settings.title")}
        </button>
      </div>
    </nav>
  );
}
