// The variables of a template, asked for above the composer. Tab goes from field to field, Enter in a single line (or
// Ctrl/Cmd+Enter anywhere) uses the template, Esc gives up.
import { useEffect, useRef, useState, type KeyboardEvent } from "react";
import type { AppliedTemplate } from "../../electron/contract/chat.ts";
import { builtIns, type BuiltIn, type Template } from "../../electron/contract/templates.ts";
import { t } from "../i18n/texts.ts";
import { reportError } from "../platform/toasts.ts";
import { Button } from "../ui/Button.tsx";
import { VariableField } from "./VariableField.tsx";
import { pageValues } from "./templateActions.ts";
import { WarmBadge } from "./WarmBadge.tsx";

interface TemplateFormProps {
  readonly template: Template;
  /** Of the same template as it is applied now. */
  readonly values: AppliedTemplate["values"];
  onUse(values: AppliedTemplate["values"]): Promise<void>;
  onCancel(): void;
}

/** Built-ins that only the page can fill. */
function builtInsOf({ content }: Template): BuiltIn[] {
  const text = [content.system, ...content.examples.map((turn) => turn.content)].join("\n");
  return builtIns.filter((name) => text.includes(name));
}

export function TemplateForm({ template, values: given, onUse, onCancel }: TemplateFormProps) {
  const { variables, name, description } = template.content;
  const [values, setValues] = useState(() =>
    Object.fromEntries(variables.map((each) => [each.name, given[each.name] ?? each.default])),
  );
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const [selection] = useState(() => window.getSelection()?.toString() ?? "");

  useEffect(() => {
    form.current?.querySelector<HTMLElement>("input, textarea, select, button[type=submit]")?.focus();
  }, []);

  const problemOf = (variable: (typeof variables)[number]): string | undefined =>
    tried && variable.required && (values[variable.name] ?? "") === "" ? t("templates.mustFill") : undefined;

  const submit = async (): Promise<void> => {
    setTried(true);
    if (busy || variables.some((each) => each.required && (values[each.name] ?? "") === "")) return;
    setBusy(true);
    try {
      await onUse({ ...(await pageValues(builtInsOf(template), selection)), ...values });
    } catch (error) {
      reportError(error);
      setBusy(false);
    }
  };

  const onKeyDown = (event: KeyboardEvent<HTMLFormElement>): void => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "Escape") {
      event.preventDefault();
      onCancel();
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      void submit();
    }
  };

  return (
    // The form hears the keys of its fields; it is no control itself.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <form
      ref={form}
      aria-label={t("templates.templateNamed", { name })}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
      onKeyDown={onKeyDown}
      className="mb-2 flex max-h-[45vh] flex-col rounded-2xl border border-line bg-raised shadow-lg"
    >
      <header className="flex items-baseline gap-2 px-4 pt-3">
        <h2 className="font-semibold">{name}</h2>
        <p className="min-w-0 flex-1 truncate text-xs text-muted">{description}</p>
        <WarmBadge warmth={template.warmth} />
      </header>
      <div className="grid min-h-0 grid-cols-2 gap-3 overflow-y-auto px-4 py-3">
        {variables.map((variable) => (
          <div key={variable.name} className={variable.type === "multiline" ? "col-span-2" : "min-w-0"}>
            <VariableField
              variable={variable}
              value={values[variable.name] ?? ""}
              problem={problemOf(variable)}
              onChange={(value) => setValues((before) => ({ ...before, [variable.name]: value }))}
            />
          </div>
        ))}
      </div>
      <footer className="flex justify-end gap-2 px-4 pb-3">
        <Button onClick={onCancel}>{t("ui.cancel")}</Button>
        <Button type="submit" look="primary" disabled={busy}>
          {t("templates.useTemplate")}
        </Button>
      </footer>
    </form>
  );
}
