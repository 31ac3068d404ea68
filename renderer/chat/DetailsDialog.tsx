// The record of one answer: everything that is needed to make it again, and the button that does.
import type { Run } from "../../electron/contract/chat.ts";
import { reportError } from "../platform/toasts.ts";
import { Button } from "../ui/Button.tsx";
import { formatCount, formatDuration } from "../ui/format.ts";
import { Modal } from "../ui/Modal.tsx";
import { runAgainExactly, shownRunId } from "./actions/messageActions.ts";
import { useChat } from "./chatStore.ts";
import { reuseWords, stopWords, whySlow } from "./runWords.ts";

type Fact = readonly [label: string, value: string];

const templateNames: Readonly<Record<string, string>> = { model: "The model's own", chatml: "ChatML", plain: "Plain" };

/** What the model was, and how it was asked. */
function recipe(run: Run): Fact[] {
  const { sampler } = run;
  return [
    ["Model", run.modelName],
    ["SHA-256 of its file", run.modelSha256 === "" ? "Not computed yet" : run.modelSha256],
    ["Chat template", templateNames[run.templateId] ?? run.templateId],
    ["Engine", run.engineVersion],
    ["Seed", String(run.seed)],
    ["Temperature", String(sampler.temperature)],
    ["Top-k · top-p · min-p", `${sampler.topK} · ${sampler.topP} · ${sampler.minP}`],
    ["Repetition penalty", String(sampler.repetitionPenalty)],
    ["Longest answer", `${formatCount(sampler.maxTokens)} tokens`],
    ...(sampler.stop.length === 0
      ? []
      : [["Stop strings", sampler.stop.map((stop) => JSON.stringify(stop)).join(" ")] as const]),
  ];
}

function outcome(run: Run): Fact[] {
  const { timings, prompt, stopReason, error } = run;
  const facts: Fact[] = [["Started", new Date(run.startedAt).toLocaleString()]];
  if (stopReason !== null) facts.push(["Ended by", stopWords[stopReason]]);
  if (error !== null) facts.push(["Error", error.message]);
  if (timings !== null) {
    facts.push(
      ["Prompt", reuseWords(timings)],
      ["Where the time went", whySlow(run.reuse, timings)],
      ["First token after", formatDuration(timings.firstTokenMs)],
      ["Answer", `${formatCount(timings.generatedTokens)} tokens in ${formatDuration(timings.decodeMs)}`],
    );
  }
  if (prompt !== null) facts.push(["Context", `${formatCount(prompt.context)} tokens`]);
  if (prompt?.template != null) facts.push(["Template", `${prompt.template.name}, version ${prompt.template.version}`]);
  if (prompt !== null && prompt.droppedMessages > 0) {
    facts.push(["Not sent", `${prompt.droppedMessages} older messages, ${formatCount(prompt.droppedTokens)} tokens`]);
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
    <Modal open title="How this answer was made" width={560} onClose={close}>
      <Facts title="Recipe" facts={recipe(run)} />
      {run.prompt !== null && run.prompt.systemPrompt !== "" && (
        <section className="mb-4">
          <h3 className="mb-1 text-xs font-semibold tracking-wide text-muted uppercase">System prompt</h3>
          <p className="max-h-32 overflow-y-auto rounded-lg border border-line bg-surface p-2 text-[13px] whitespace-pre-wrap">
            {run.prompt.systemPrompt}
          </p>
        </section>
      )}
      <Facts title="What came of it" facts={outcome(run)} />
      <div className="flex flex-wrap items-center gap-2">
        <Button look="primary" disabled={run.prompt === null || shownRunId() !== null} onClick={again}>
          Run again exactly
        </Button>
        <Button onClick={() => void navigator.clipboard.writeText(JSON.stringify(run, null, 2)).catch(reportError)}>
          Copy as JSON
        </Button>
        {run.prompt === null && <span className="text-xs text-muted">No record of its prompt was kept.</span>}
      </div>
    </Modal>
  );
}
