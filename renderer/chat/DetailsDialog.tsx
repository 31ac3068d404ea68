// The record of one answer: everything that is needed to make it again, and the button that does.
import type { Run } from "../../electron/contract/chat.ts";
import { t } from "../i18n/texts.ts";
import { errorText } from "../platform/errorText.ts";
import { reportError } from "../platform/toasts.ts";
import { Button } from "../ui/Button.tsx";
import { formatDateTime, formatDuration, formatNumber } from "../ui/format.ts";
import { Modal } from "../ui/Modal.tsx";
import { runAgainExactly, shownRunId } from "./actions/messageActions.ts";
import { useChat } from "./chatStore.ts";
import { draftWords, reuseWords, steeringWords, whySlow } from "./runWords.ts";

type Fact = readonly [label: string, value: string];

function templateName(id: string): string {
  if (id === "model") return t("settings.chatTemplateModel");
  if (id === "plain") return t("settings.chatTemplatePlain");
  return id === "chatml" ? "ChatML" : id;
}

/** What the model was, and how it was asked. */
function recipe(run: Run): Fact[] {
  const { sampler } = run;
  return [
    [t("chat.model"), run.modelName],
    [t("chat.fileHash"), run.modelSha256 === "" ? t("chat.hashPending") : run.modelSha256],
    [t("settings.chatTemplate"), templateName(run.templateId)],
    [t("settings.engine"), run.engineVersion],
    [t("settings.seed"), String(run.seed)],
    [t("settings.temperature"), formatNumber(sampler.temperature)],
    ["Top-k · top-p · min-p", [sampler.topK, sampler.topP, sampler.minP].map(formatNumber).join(" · ")],
    [t("settings.repetitionPenalty"), formatNumber(sampler.repetitionPenalty)],
    [t("settings.maxTokens"), t("chat.tokens", { count: sampler.maxTokens })],
    ...(sampler.stop.length === 0
      ? []
      : [[t("chat.stopStrings"), sampler.stop.map((stop) => JSON.stringify(stop)).join(" ")] as const]),
  ];
}

function outcome(run: Run): Fact[] {
  const { timings, prompt, stopReason, error } = run;
  const facts: Fact[] = [[t("chat.started"), formatDateTime(run.startedAt)]];
  if (stopReason !== null) facts.push([t("chat.endedBy"), t(`chat.stop-${stopReason}`)]);
  if (error !== null) facts.push([t("chat.error"), errorText(error)]);
  if (timings !== null) {
    facts.push(
      [t("chat.prompt"), reuseWords(timings)],
      [t("chat.whereTimeWent"), whySlow(run.reuse, timings)],
      [t("chat.firstTokenAfter"), formatDuration(timings.firstTokenMs)],
      [
        t("chat.answer"),
        t("chat.tokensIn", { count: timings.generatedTokens, time: formatDuration(timings.decodeMs) }),
      ],
    );
  }
  const drafts = draftWords(run);
  if (drafts !== null) facts.push([t("chat.drafting"), drafts.long]);
  if (prompt !== null) facts.push([t("chat.context"), t("chat.tokens", { count: prompt.context })]);
  if (prompt?.template != null)
    facts.push([
      t("chat.template"),
      t("chat.templateVersion", { name: prompt.template.name, version: prompt.template.version }),
    ]);
  if (prompt?.steering != null) facts.push([t("chat.steering"), steeringWords(prompt.steering)]);
  if (prompt !== null && prompt.droppedMessages > 0) {
    facts.push([
      t("chat.notSent"),
      t("chat.olderMessages", { count: prompt.droppedMessages, tokens: prompt.droppedTokens }),
    ]);
  }
  return facts;
}

function Facts({ title, facts }: { readonly title: string; readonly facts: readonly Fact[] }) {
  return (
    <section className="mb-4">
      <h3 className="mb-1 text-xs font-semibold tracking-wide text-muted uppercase">{title}</h3>
      <dl className="grid grid-cols-[10rem_1fr] gap-x-4 gap-y-1 text-[13px]">
        {facts.map(([label, value]) => (
          <div key={label} className="contents">
            <dt className="text-muted">{label}</dt>
            <dd className="wrap-anywhere">{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

const close = (): void => useChat.setState({ detailsId: null });

export function DetailsDialog() {
  const message = useChat((state) => (state.detailsId === null ? undefined : state.messages.get(state.detailsId)));
  const run = message?.run ?? null;
  if (message === undefined || run === null) return null;
  const again = (): void => {
    close();
    void runAgainExactly(message);
  };
  return (
    <Modal open title={t("chat.detailsTitle")} width={560} onClose={close}>
      <Facts title={t("chat.recipe")} facts={recipe(run)} />
      {run.prompt !== null && run.prompt.systemPrompt !== "" && (
        <section className="mb-4">
          <h3 className="mb-1 text-xs font-semibold tracking-wide text-muted uppercase">
            {t("settings.systemPrompt")}
          </h3>
          <p className="max-h-32 overflow-y-auto rounded-lg border border-line bg-surface p-2 text-[13px] whitespace-pre-wrap">
            {run.prompt.systemPrompt}
          </p>
        </section>
      )}
      <Facts title={t("chat.outcome")} facts={outcome(run)} />
      <div className="flex flex-wrap items-center gap-2">
        <Button look="primary" disabled={run.prompt === null || shownRunId() !== null} onClick={again}>
          {t("chat.runAgainExactly")}
        </Button>
        <Button onClick={() => void navigator.clipboard.writeText(JSON.stringify(run, null, 2)).catch(reportError)}>
          {t("chat.copyAsJson")}
        </Button>
        {run.prompt === null && <span className="text-xs text-muted">{t("chat.noPromptRecord")}</span>}
      </div>
    </Modal>
  );
}
