// Find in the open conversation: marks every match, steps through them with Enter and Shift+Enter, Esc closes.
import { useEffect, useRef, useState, type KeyboardEvent, type RefObject } from "react";
import { ChevronDown, ChevronUp, X } from "lucide-react";
import { t } from "../i18n/texts.ts";
import { IconButton } from "../ui/IconButton.tsx";
import { findMatches } from "./findMatches.ts";
import { useFind } from "./findStore.ts";

const typingPauseMs = 80;
const redrawPauseMs = 120;
const followMs = 1500;
const allName = "found";
const currentName = "found-current";

function mark(name: string, ranges: readonly Range[]): void {
  if (ranges.length === 0) CSS.highlights.delete(name);
  else CSS.highlights.set(name, new Highlight(...ranges));
}

interface FindBarProps {
  /** What is searched. */
  readonly content: RefObject<HTMLElement | null>;
}

/** Grows a moment after what is searched was drawn anew, by which ranges lose their places. */
function useRedraws(content: RefObject<HTMLElement | null>): number {
  const [redraws, setRedraws] = useState(0);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const observer = new MutationObserver(() => {
      clearTimeout(timer);
      timer = setTimeout(() => setRedraws((count) => count + 1), redrawPauseMs);
    });
    if (content.current !== null) {
      observer.observe(content.current, { childList: true, characterData: true, subtree: true });
    }
    return () => {
      clearTimeout(timer);
      observer.disconnect();
    };
  }, [content]);
  return redraws;
}

export function FindBar({ content }: FindBarProps) {
  const [query, setQuery] = useState("");
  const [matches, setMatches] = useState<readonly Range[]>([]);
  const [index, setIndex] = useState(0);
  const redraws = useRedraws(content);
  /** Until when the view follows the match: what comes into view with it is drawn, and moves it. */
  const followUntil = useRef(0);

  useEffect(() => {
    const timer = setTimeout(() => {
      setMatches(content.current === null ? [] : findMatches(content.current, query));
    }, typingPauseMs);
    return () => clearTimeout(timer);
  }, [content, query, redraws]);

  useEffect(() => {
    const current = matches[index];
    mark(allName, matches);
    mark(currentName, current === undefined ? [] : [current]);
    if (performance.now() < followUntil.current) {
      current?.startContainer.parentElement?.scrollIntoView({ block: "center" });
    }
    return () => {
      mark(allName, []);
      mark(currentName, []);
    };
  }, [matches, index]);

  const step = (by: number): void => {
    followUntil.current = performance.now() + followMs;
    if (matches.length > 0) setIndex((index + by + matches.length) % matches.length);
  };
  const close = (): void => {
    useFind.setState({ open: false });
    document.getElementById("composer")?.focus();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "Enter" && !event.nativeEvent.isComposing) step(event.shiftKey ? -1 : 1);
    if (event.key !== "Escape") return;
    event.stopPropagation();
    close();
  };

  const count =
    matches.length === 0 ? t("chat.noMatch") : t("chat.matchOf", { index: index + 1, total: matches.length });
  return (
    <search
      aria-label={t("chat.findInChat")}
      className="absolute top-2 right-4 z-10 flex items-center gap-1 rounded-xl border border-line bg-raised p-1.5 shadow-xl"
    >
      <input
        id="find"
        type="text"
        aria-label={t("chat.findInChat")}
        placeholder={t("chat.find")}
        value={query}
        onChange={(event) => {
          followUntil.current = performance.now() + followMs;
          setQuery(event.target.value);
          setIndex(0);
        }}
        onKeyDown={onKeyDown}
        className="h-7 w-44 rounded-md bg-transparent px-2 placeholder:text-muted"
      />
      <span role="status" className="min-w-16 text-center text-xs text-muted tabular-nums">
        {query === "" ? "" : count}
      </span>
      <IconButton label={t("chat.previousMatch")} disabled={matches.length === 0} onClick={() => step(-1)}>
        <ChevronUp size={14} aria-hidden />
      </IconButton>
      <IconButton label={t("chat.nextMatch")} disabled={matches.length === 0} onClick={() => step(1)}>
        <ChevronDown size={14} aria-hidden />
      </IconButton>
      <IconButton label={t("chat.closeFind")} onClick={close}>
        <X size={14} aria-hidden />
      </IconButton>
    </search>
  );
}
