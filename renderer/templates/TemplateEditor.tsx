// One template: its text, variables and examples beside a live preview, or its history. What is typed stays until it is saved
// or reverted, also when another template is looked at meanwhile.
import { useState } from "react";
import { Download, Flame, History, Snowflake, Trash2 } from "lucide-react";
import type { Template, TemplateContent } from "../../electron/contract/templates.ts";
import { t } from "../i18n/texts.ts";
import { client } from "../platform/client.ts";
import { reportError } from "../platform/toasts.ts";
import { Button } from "../ui/Button.tsx";
import { IconButton } from "../ui/IconButton.tsx";
import { ExamplesEditor } from "./ExamplesEditor.tsx";
import { HistoryView } from "./HistoryView.tsx";
import { PreviewPane } from "./PreviewPane.tsx";
import { SystemText } from "./SystemText.tsx";
import { emptyContent, exportTemplates, removeTemplate, saveTemplate, slugFrom } from "./templateActions.ts";
import { newKey, setEdit, useTemplates } from "./templatesStore.ts";
import { usePreview } from "./usePreview.ts";
import { VariablesEditor } from "./VariablesEditor.tsx";
import { fieldLook } from "./VariableField.tsx";
import { WarmBadge, warmFacts } from "./WarmBadge.tsx";

interface TextFieldProps {
  readonly label: string;
  readonly value: string;
  readonly maxLength: number;
  readonly prefix?: string;
  onChange(value: string): void;
}

function TextField({ label, value, maxLength, prefix, onChange }: TextFieldProps) {
  return (
    <label className="block min-w-0">
      <span className="mb-1 block text-xs font-medium">{label}</span>
      <span className="flex items-center gap-1">
        {prefix !== undefined && <span className="font-mono text-xs text-muted">{prefix}</span>}
        <input
          value={value}
          maxLength={maxLength}
          onChange={(event) => onChange(event.target.value)}
          className={fieldLook}
        />
      </span>
    </label>
  );
}

function WarmRow({ template }: { readonly template: Template }) {
  const { id, warmth, content } = template;
  const facts = warmFacts(warmth);
  return (
    <div className="flex flex-wrap items-center gap-x-3 gap-y-1 text-xs text-muted">
      <WarmBadge warmth={warmth} />
      {facts !== "" && <span>{facts}</span>}
      {warmth.state !== "memory" && (
        <button
          type="button"
          disabled={warmth.state === "warming"}
          onClick={() => void client.templates.warm({ id }).catch(reportError)}
          className="flex items-center gap-1 rounded text-accent hover:underline disabled:opacity-50"
        >
          <Flame size={12} aria-hidden /> {t("templates.warmNow")}
        </button>
      )}
      {warmth.bytes > 0 && (
        <button
          type="button"
          aria-label={t("templates.forgetKept", { name: content.name })}
          onClick={() => void client.templates.forget({ id }).catch(reportError)}
          className="flex items-center gap-1 rounded text-accent hover:underline"
        >
          <Snowflake size={12} aria-hidden /> {t("templates.forget")}
        </button>
      )}
    </div>
  );
}

interface TemplateEditorProps {
  /** null: one that does not exist yet. */
  readonly template: Template | null;
  onUse(template: Template): void;
}

export function TemplateEditor({ template, onUse }: TemplateEditorProps) {
  const key = template?.id ?? newKey;
  const stored = template?.content ?? emptyContent;
  const content = useTemplates((state) => state.edits[key]) ?? stored;
  const [values, setValues] = useState<Readonly<Record<string, string>>>({});
  const [history, setHistory] = useState(false);
  const preview = usePreview(content, values);
  const changed = JSON.stringify(content) !== JSON.stringify(stored);
  const set = (change: Partial<TemplateContent>): void => setEdit(key, { ...content, ...change });
  const setName = (name: string): void => {
    // The short name follows the name until it has been written by hand.
    const follows = content.slug === slugFrom(content.name) && template === null;
    set(follows ? { name, slug: slugFrom(name) } : { name });
  };
  const problems = content.name.trim() === "" ? [t("templates.giveName")] : (preview?.problems ?? []);

  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="flex flex-wrap items-center gap-2 border-b border-line px-4 py-2.5">
        <div className="min-w-0 flex-1">
          <h3 className="truncate font-semibold">{content.name === "" ? t("templates.new") : content.name}</h3>
          {template !== null && <WarmRow template={template} />}
        </div>
        {template !== null && (
          <>
            <IconButton label={t("templates.history")} pressed={history} onClick={() => setHistory(!history)}>
              <History size={15} aria-hidden />
            </IconButton>
            <IconButton
              label={t("templates.exportOne", { name: content.name })}
              onClick={() => void exportTemplates([template.id], `${stored.slug}.json`)}
            >
              <Download size={15} aria-hidden />
            </IconButton>
            <IconButton
              label={t("templates.deleteOne", { name: content.name })}
              onClick={() => void removeTemplate(template)}
            >
              <Trash2 size={15} aria-hidden />
            </IconButton>
          </>
        )}
        {changed && <Button onClick={() => setEdit(key, null)}>{t("templates.revert")}</Button>}
        {changed || template === null ? (
          <Button look="primary" disabled={problems.length > 0} onClick={() => void saveTemplate(key, content)}>
            {t("ui.save")}
          </Button>
        ) : (
          <Button look="primary" onClick={() => onUse(template)}>
            {t("templates.use")}
          </Button>
        )}
      </div>
      {/* Scrolls, so it must be reachable by keyboard (WCAG 2.1.1). */}
      <div
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        role="region"
        aria-label={t("templates.template")}
        className="min-h-0 flex-1 overflow-y-auto p-4"
      >
        {history && template !== null ? (
          <HistoryView key={template.version} template={template} />
        ) : (
          <div className="grid gap-5 min-[1120px]:grid-cols-[minmax(0,1fr)_300px]">
            <div className="flex min-w-0 flex-col gap-3">
              <div className="grid grid-cols-[minmax(0,1fr)_12rem] gap-3">
                <TextField label={t("ui.name")} value={content.name} maxLength={80} onChange={setName} />
                <TextField
                  label={t("templates.shortName")}
                  prefix="/"
                  value={content.slug}
                  maxLength={40}
                  onChange={(slug) => set({ slug: slug.toLowerCase() })}
                />
              </div>
              <TextField
                label={t("templates.description")}
                value={content.description}
                maxLength={300}
                onChange={(description) => set({ description })}
              />
              <SystemText
                text={content.system}
                warmEnd={preview?.warmEnd ?? null}
                onChange={(system) => set({ system })}
              />
              {changed && problems.length > 0 && (
                <ul role="status" className="text-xs text-danger">
                  {problems.map((problem) => (
                    <li key={problem}>{problem}</li>
                  ))}
                </ul>
              )}
              <VariablesEditor
                variables={content.variables}
                undeclared={preview?.undeclared ?? []}
                onChange={(variables) => set({ variables })}
              />
              <ExamplesEditor examples={content.examples} onChange={(examples) => set({ examples })} />
            </div>
            <PreviewPane
              content={content}
              preview={preview}
              values={values}
              onValue={(name, value) => setValues((before) => ({ ...before, [name]: value }))}
              onReorder={(system) => set({ system })}
            />
          </div>
        )}
      </div>
    </div>
  );
}
