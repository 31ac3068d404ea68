// Example turns of a template under edit, always in pairs: what a user says and what the model answers.
import { Plus, Trash2 } from "lucide-react";
import type { TemplateExample } from "../../electron/contract/templates.ts";
import { t } from "../i18n/texts.ts";
import { Button } from "../ui/Button.tsx";
import { IconButton } from "../ui/IconButton.tsx";
import { fieldLook } from "./VariableField.tsx";

interface ExamplesEditorProps {
  readonly examples: readonly TemplateExample[];
  onChange(examples: TemplateExample[]): void;
}

export function ExamplesEditor({ examples, onChange }: ExamplesEditorProps) {
  const set = (index: number, content: string): void =>
    onChange(examples.map((turn, at) => (at === index ? { ...turn, content } : turn)));
  return (
    <section aria-label={t("templates.examples")}>
      <h3 className="mb-1 text-xs font-medium">{t("templates.examples")}</h3>
      <ol className="flex flex-col gap-2">
        {examples.map((turn, index) => (
          // Turns have no identity but their place.
          // oxlint-disable-next-line react/no-array-index-key
          <li key={index} className="flex items-start gap-2">
            <span className="w-14 shrink-0 pt-2 text-xs text-muted">
              {turn.role === "user" ? t("templates.user") : t("templates.answer")}
            </span>
            <textarea
              aria-label={t(turn.role === "user" ? "templates.userOfExample" : "templates.answerOfExample", {
                n: Math.floor(index / 2) + 1,
              })}
              rows={2}
              value={turn.content}
              onChange={(event) => set(index, event.target.value)}
              className={fieldLook}
            />
            {turn.role === "user" ? (
              <IconButton
                label={t("templates.removeExample", { n: Math.floor(index / 2) + 1 })}
                onClick={() => onChange(examples.filter((_, at) => at !== index && at !== index + 1))}
              >
                <Trash2 size={14} aria-hidden />
              </IconButton>
            ) : (
              <span className="w-7 shrink-0" />
            )}
          </li>
        ))}
      </ol>
      <Button
        className="mt-2"
        onClick={() => onChange([...examples, { role: "user", content: "" }, { role: "assistant", content: "" }])}
      >
        <Plus size={14} aria-hidden /> {t("templates.addExample")}
      </Button>
    </section>
  );
}
