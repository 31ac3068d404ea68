// A ring that fills as the conversation fills the model's context; its popover says what the tokens are and what to do.
import { Popover } from "radix-ui";
import type { ContextUse } from "../../electron/contract/chat.ts";
import { t } from "../i18n/texts.ts";
import { Button } from "../ui/Button.tsx";
import { formatCount, formatTokens } from "../ui/format.ts";
import { raiseContext, startContextAt } from "./actions/contextActions.ts";
import { useChat } from "./chatStore.ts";
import { useContext } from "./contextStore.ts";

const warnShare = 0.8;
const fullShare = 0.95;
const radius = 6;
const circumference = 2 * Math.PI * radius;

export function gaugeLook(share: number): { readonly colour: string; readonly word: string } {
  if (share >= fullShare) return { colour: "text-danger", word: t("chat.nearlyFull") };
  if (share >= warnShare) return { colour: "text-warn", word: t("chat.fillingUp") };
  return { colour: "text-accent", word: "" };
}

/** The next size worth loading; null when the model was not trained for more. */
export function largerContext({
  context,
  contextTrained,
}: Pick<ContextUse, "context" | "contextTrained">): number | null {
  return context < contextTrained ? Math.min(context * 2, contextTrained) : null;
}

function Ring({ share }: { readonly share: number }) {
  return (
    <svg viewBox="0 0 16 16" aria-hidden className={`size-4 -rotate-90 ${gaugeLook(share).colour}`}>
      <circle cx="8" cy="8" r={radius} fill="none" stroke="var(--line)" strokeWidth="2.5" />
      <circle
        cx="8"
        cy="8"
        r={radius}
        fill="none"
        stroke="currentColor"
        strokeWidth="2.5"
        strokeLinecap="round"
        strokeDasharray={`${Math.min(1, share) * circumference} ${circumference}`}
      />
    </svg>
  );
}

function Row({ label, tokens }: { readonly label: string; readonly tokens: number }) {
  return (
    <div className="flex justify-between gap-4">
      <dt className="text-muted">{label}</dt>
      <dd className="tabular-nums">{formatCount(tokens)}</dd>
    </div>
  );
}

function Body({ use, used }: { readonly use: ContextUse; readonly used: number }) {
  const larger = largerContext(use);
  const start = useChat((state) => state.conversations.find(({ id }) => id === state.openId)?.contextStartId ?? null);
  return (
    <>
      <h2 className="mb-2 font-semibold">{t("chat.contextInTokens")}</h2>
      <dl className="flex flex-col gap-1">
        <Row label={t("chat.contextUsedHere")} tokens={used} />
        <Row label={t("chat.contextReserved")} tokens={use.reserved} />
        <Row label={t("chat.contextHeld")} tokens={use.context} />
        <Row label={t("chat.contextTrained")} tokens={use.contextTrained} />
        {use.droppedTokens > 0 && <Row label={t("chat.contextDropped")} tokens={use.droppedTokens} />}
      </dl>
      <div className="mt-3 flex flex-wrap gap-2 empty:hidden">
        {larger !== null && (
          <Button onClick={() => void raiseContext(larger)}>{t("chat.raiseTo", { tokens: larger })}</Button>
        )}
        {start !== null && <Button onClick={() => void startContextAt(null)}>{t("chat.sendEarlierAgain")}</Button>}
      </div>
    </>
  );
}

export function ContextGauge() {
  const use = useContext((state) => state.use);
  const growing = useChat((state) =>
    [...state.runs.values()].reduce((sum, run) => sum + (run.conversationId === state.openId ? run.tokens : 0), 0),
  );
  if (use === null) return null;
  const used = use.used + growing;
  const share = used / use.context;
  const { word } = gaugeLook(share);
  const total = { used, context: use.context };
  const numbers = `${formatTokens(used)} / ${formatTokens(use.context)}`;
  return (
    <Popover.Root>
      <Popover.Trigger className="flex h-6 items-center gap-1.5 rounded-md px-1.5 text-xs text-muted tabular-nums hover:bg-hover hover:text-ink">
        <Ring share={share} />
        <span aria-hidden>{numbers}</span>
        <span className="sr-only">
          {word === "" ? t("chat.contextUsed", total) : t("chat.contextUsedNear", { ...total, state: word })}
        </span>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content
          align="end"
          sideOffset={6}
          collisionPadding={8}
          aria-label={t("chat.context")}
          className="z-50 w-80 rounded-xl border border-line bg-raised p-4 text-[13px] shadow-2xl"
        >
          <Body use={use} used={used} />
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
