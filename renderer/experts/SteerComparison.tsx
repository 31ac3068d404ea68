// The button that answers the last question with and without steering, and what came of it.
import type { Run } from "../../electron/contract/chat.ts";
import type { Steering } from "../../electron/contract/steering.ts";
import { t } from "../i18n/texts.ts";
import { Button } from "../ui/Button.tsx";
import { formatCount, formatDecimal } from "../ui/format.ts";
import { compareSteering, useComparison, type ComparedAnswer, type Comparison } from "./compareSteering.ts";
import { FactTable } from "./FactTable.tsx";

function speed({ timings }: Run): string {
  if (timings === null || timings.decodeMs === 0) return "–";
  return formatDecimal((timings.generatedTokens / timings.decodeMs) * 1000, 1);
}

function Outcome({ plain, steered, score }: Comparison) {
  const loss = score.unsteered - score.steered;
  return (
    <>
      <FactTable
        caption={t("experts.comparisonTable", { tokens: score.tokens })}
        head={["", t("experts.asTrained"), t("experts.steered")]}
        rows={[
          [t("experts.tokensPerSecond"), speed(plain), speed(steered)],
          [
            t("experts.tokensColumn"),
            formatCount(plain.timings?.generatedTokens ?? 0),
            formatCount(steered.timings?.generatedTokens ?? 0),
          ],
          [t("experts.meanLogprob"), formatDecimal(score.unsteered, 3), formatDecimal(score.steered, 3)],
        ]}
      />
      <p role="status" className="text-[13px]">
        {loss > 0
          ? t("experts.lessExpected", { times: formatDecimal(Math.exp(loss), 2) })
          : t("experts.asExpected", { times: formatDecimal(Math.exp(-loss), 2) })}
      </p>
    </>
  );
}

interface SteerComparisonProps {
  readonly conversationId: string;
  readonly answer: ComparedAnswer;
  readonly steering: Steering;
  /** Why it cannot be now; null: it can. */
  readonly hindrance: string | null;
}

export function SteerComparison({ conversationId, answer, steering, hindrance }: SteerComparisonProps) {
  const { stage, result, conversationId: compared } = useComparison();
  return (
    <section aria-label={t("experts.comparison")} className="flex flex-col gap-2 border-t border-line pt-3">
      <Button
        disabled={hindrance !== null || stage !== null}
        onClick={() => void compareSteering(conversationId, answer, steering)}
      >
        {stage === null ? t("experts.compare") : t(`experts.stage-${stage}`)}
      </Button>
      <p className="text-xs text-muted">{hindrance ?? t("experts.compareHelp")}</p>
      {result !== null && compared === conversationId && <Outcome {...result} />}
    </section>
  );
}
