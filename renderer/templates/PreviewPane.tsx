// What the model would get: with values to try, the tokens it takes, and how much of it is computed ahead.
import { ArrowDownToLine } from "lucide-react";
import type { TemplateContent, TemplatePreview } from "../../electron/contract/templates.ts";
import { t } from "../i18n/texts.ts";
import { Button } from "../ui/Button.tsx";
import { VariableField } from "./VariableField.tsx";

interface PreviewPaneProps {
  readonly content: TemplateContent;
  readonly preview: TemplatePreview | null;
  readonly values: Readonly<Record<string, string>>;
  onValue(name: string, value: string): void;
  onReorder(system: string): void;
}

function warmWords({ tokens, warmTokens, warmEnd }: TemplatePreview): string {
  if (tokens === null || warmTokens === null) return t("templates.loadToCount");
  return t(warmEnd === null ? "templates.allWarm" : "templates.partWarm", { warm: warmTokens, total: tokens });
}

export function PreviewPane({ content, preview, values, onValue, onReorder }: PreviewPaneProps) {
  return (
    <section aria-label={t("templates.preview")} className="flex min-w-0 flex-col gap-3">
      {preview !== null && (
        <div className="rounded-lg bg-accent/8 p-3 text-xs">
          <p>{warmWords(preview)}</p>
          {preview.warmTokens !== null && (
            // The sentence above says the same in words.
            <div aria-hidden className="mt-2 h-1.5 overflow-hidden rounded-full bg-line">
              <div
                className="h-full bg-accent"
                style={{ width: `${(100 * preview.warmTokens) / Math.max(1, preview.tokens ?? 1)}%` }}
              />
            </div>
          )}
          {preview.reordered !== null && (
            <div className="mt-2">
              <p className="mb-1.5">{t("templates.lateVariables")}</p>
              <Button onClick={() => onReorder(preview.reordered ?? content.system)}>
                <ArrowDownToLine size={13} aria-hidden /> {t("templates.moveVariables")}
              </Button>
            </div>
          )}
        </div>
      )}
      {content.variables.length > 0 && (
        <fieldset className="flex flex-col gap-2">
          <legend className="mb-1 text-xs font-medium text-muted">{t("templates.tryWith")}</legend>
          {content.variables.map((variable, index) => (
            <VariableField
              // Names may be empty or double while they are typed.
              // oxlint-disable-next-line react/no-array-index-key
              key={index}
              variable={variable}
              value={values[variable.name] ?? variable.default}
              problem={values[variable.name] === undefined ? undefined : preview?.missing[variable.name]}
              onChange={(value) => onValue(variable.name, value)}
            />
          ))}
        </fieldset>
      )}
      {preview !== null && (
        <div>
          <h3 className="mb-1 text-xs font-medium">{t("templates.modelGets")}</h3>
          {/* The text may be long and then scrolls, so it must be reachable by keyboard (WCAG 2.1.1). */}
          <div
            // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
            tabIndex={0}
            role="region"
            aria-label={t("templates.modelGets")}
            className="max-h-[40vh] overflow-y-auto rounded-md border border-line bg-surface p-3 text-xs leading-relaxed"
          >
            <p className="[overflow-wrap:anywhere] whitespace-pre-wrap">{preview.system}</p>
            {preview.examples.map((turn, index) => (
              // oxlint-disable-next-line react/no-array-index-key
              <p key={index} className="mt-2 [overflow-wrap:anywhere] whitespace-pre-wrap">
                <strong>{turn.role === "user" ? t("templates.userTurn") : t("templates.answerTurn")}</strong>{" "}
                {turn.content}
              </p>
            ))}
          </div>
        </div>
      )}
    </section>
  );
}
