// The open conversation's shown branch. Follows the end while the reader is there; an upward scroll lets go.
import {
  Fragment,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
  type ComponentType,
  type ReactNode,
} from "react";
import { ArrowDown } from "lucide-react";
import type { Message } from "../../electron/contract/chat.ts";
import { t } from "../i18n/texts.ts";
import { useSettings } from "../platform/settingsStore.ts";
import { Announcer } from "./Announcer.tsx";
import { useChat } from "./chatStore.ts";
import { ContextLine } from "./ContextLine.tsx";
import { useContext } from "./contextStore.ts";
import { EmptyThread } from "./EmptyThread.tsx";
import { FindBar } from "./FindBar.tsx";
import { useFind } from "./findStore.ts";
import type { AnswerTextProps } from "./MessageView.tsx";
import { NearbyMessage } from "./NearbyMessage.tsx";
import { branchTo, unseenTurns } from "./thread.ts";
import { MarkerLines } from "./transcript/MarkerLines.tsx";
import { markersOf } from "./transcript/markers.ts";
import { GrowingSummary, SummaryBlock } from "./transcript/SummaryBlock.tsx";
import { shownSummary, useSummaries } from "./transcript/summaryStore.ts";

/** Distance from the end, in px, within which new text keeps the view at the end. */
const followWithin = 80;
/** Messages at the end that are drawn in full with the first frame; they fill the tallest window. */
const drawnAtOnce = 12;

/** Messages that the browser may leave out together when it lays out and paints what is in view. */
const sectionLength = 24;
/** Of a message and the gap under it, in px, until it has been laid out. */
const usualHeight = 184;

interface Section {
  /** Place of its first message in the branch. */
  readonly first: number;
  readonly messages: readonly Message[];
}

const sectionsOf = (branch: readonly Message[]): Section[] =>
  Array.from({ length: Math.ceil(branch.length / sectionLength) }, (_, index) => {
    const first = index * sectionLength;
    return { first, messages: branch.slice(first, first + sectionLength) };
  });

export function useShownBranch() {
  const messages = useChat((state) => state.messages);
  const leafId = useChat(
    (state) => state.conversations.find((conversation) => conversation.id === state.openId)?.activeLeafId ?? null,
  );
  return useMemo(() => branchTo(messages, leafId), [messages, leafId]);
}

interface ThreadProps {
  readonly AnswerText: ComponentType<AnswerTextProps>;
  /** Shown before the first message. */
  readonly modelName: string | null;
  /** More ways to begin, shown with the others before the first message. */
  readonly beginnings?: ReactNode;
}

export function Thread({ AnswerText, modelName, beginnings }: ThreadProps) {
  const branch = useShownBranch();
  const openId = useChat((state) => state.openId);
  const wide = useSettings((settings) => settings.wideColumn);
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  const [away, setAway] = useState(false);
  const use = useContext((state) => state.use);
  const startId = useChat((state) => state.conversations.find(({ id }) => id === state.openId)?.contextStartId ?? null);
  const unseen = useMemo(() => unseenTurns(branch, use, startId), [branch, use, startId]);
  const summaries = useSummaries((state) => state.summaries);
  const isSummarising = useSummaries((state) => openId !== null && openId in state.growing);
  const summary = useMemo(() => shownSummary(branch, summaries, startId), [branch, summaries, startId]);
  const markers = useMemo(() => markersOf(branch), [branch]);
  const lineAt = unseen === null || unseen.firstMessageId === summary?.firstMessageId ? null : unseen.firstMessageId;
  const sections = useMemo(() => sectionsOf(branch), [branch]);
  const busy = branch.some((message) => message.state === "generating");

  const finding = useFind((state) => state.open);
  const isEmpty = branch.length === 0;

  const toEnd = (): void => {
    const element = scroller.current;
    if (element === null) return;
    following.current = true;
    element.scrollTop = element.scrollHeight;
    setAway(false);
  };

  useLayoutEffect(toEnd, [openId]);

  useEffect(() => {
    const element = content.current;
    if (element === null) return;
    // Growth of the content is not a scroll of the reader's: only the observer moves the view.
    const observer = new ResizeObserver(() => {
      if (following.current) toEnd();
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [openId, isEmpty]);

  const onScroll = (): void => {
    const element = scroller.current;
    if (element === null) return;
    const distance = element.scrollHeight - element.scrollTop - element.clientHeight;
    following.current = distance <= followWithin;
    setAway(!following.current);
  };

  if (isEmpty) return <EmptyThread modelName={modelName} beginnings={beginnings} />;
  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={scroller}
        onScroll={onScroll}
        role="region"
        aria-label={t("chat.thread")}
        // The thread scrolls, so it must be reachable by keyboard (WCAG 2.1.1).
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        className="h-full overflow-y-auto px-6 focus-visible:outline-offset-[-2px]"
      >
        <div
          ref={content}
          className={`mx-auto flex flex-col gap-6 pb-6 ${finding ? "pt-16" : "pt-6"} ${wide ? "max-w-[1040px]" : "max-w-[768px]"}`}
        >
          {sections.map(({ first, messages }) => (
            <div
              key={first}
              className="thread-section"
              style={{ containIntrinsicHeight: `auto ${messages.length * usualHeight}px` }}
            >
              {messages.map((message, index) => (
                <Fragment key={message.id}>
                  {summary?.firstMessageId === message.id && <SummaryBlock key={summary.id} summary={summary} />}
                  {unseen !== null &&
                    lineAt === message.id &&
                    (isSummarising ? <GrowingSummary /> : <ContextLine {...unseen} />)}
                  {markers.has(message.id) && <MarkerLines markers={markers.get(message.id) ?? []} />}
                  <NearbyMessage
                    message={message}
                    busy={busy}
                    AnswerText={AnswerText}
                    startsNear={first + index >= branch.length - drawnAtOnce}
                    scroller={scroller}
                  />
                </Fragment>
              ))}
            </div>
          ))}
        </div>
      </div>
      {finding && <FindBar content={content} />}
      {away && (
        <button
          type="button"
          aria-label={t("chat.jumpToLatest")}
          title={t("chat.jumpToLatest")}
          onClick={toEnd}
          className="absolute bottom-3 left-1/2 flex size-10 -translate-x-1/2 items-center justify-center rounded-full border border-line bg-raised shadow-lg hover:bg-hover"
        >
          <ArrowDown size={18} aria-hidden />
        </button>
      )}
      <Announcer branch={branch} />
    </div>
  );
}
