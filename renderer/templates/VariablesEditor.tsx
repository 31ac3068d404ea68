// The variables of a template under edit: one row each, and a button for every name in the text that is not declared yet.
import { useId } from "react";
import { Plus, Trash2 } from "lucide-react";
import { type TemplateVariable, variableTypes } from "../../electron/contract/templates.ts";
import { t } from "../i18n/texts.ts";
import { Button } from "../ui/Button.tsx";
import { IconButton } from "../ui/IconButton.tsx";
import { fieldLook } from "./VariableField.tsx";

const fresh = (name: string): TemplateVariable => ({
  name,
  label: "",
  type: "text",
  default: "",
  required: true,
  choices: [],
});

interface RowProps {
  readonly variable: TemplateVariable;
  onChange(variable: TemplateVariable): void;
  onRemove(): void;
}

function Row({ variable, onChange, onRemove }: RowProps) {
  const id = useId();
  const { name, label, type, required, choices } = variable;
  const called = name === "" ? t("templates.theNewVariable") : name;
  const named = (field: string): string => t("templates.fieldOf", { field, name: called });
  const set = (change: Partial<TemplateVariable>): void => onChange({ ...variable, ...change });
  return (
    <li className="rounded-lg border border-line p-2">
      <div className="grid grid-cols-[1fr_1fr_7rem_auto] items-center gap-2">
        <input
          aria-label={named(t("ui.name"))}
          placeholder={t("templates.variableName")}
          value={name}
          maxLength={40}
          onChange={(event) => set({ name: event.target.value })}
          className={`${fieldLook} font-mono`}
        />
        <input
          aria-label={named(t("templates.label"))}
          placeholder={t("templates.label")}
          value={label}
          maxLength={80}
          onChange={(event) => set({ label: event.target.value })}
          className={fieldLook}
        />
        <select
          aria-label={named(t("templates.type"))}
          value={type}
          onChange={(event) => {
            const chosen = variableTypes.find((each) => each === event.target.value) ?? "text";
            set({ type: chosen, choices: chosen === "choice" ? choices : [] });
          }}
          className={fieldLook}
        >
          {variableTypes.map((each) => (
            <option key={each} value={each}>
              {t(`templates.type-${each}`)}
            </option>
          ))}
        </select>
        <IconButton label={t("templates.remove", { name: called })} onClick={onRemove}>
          <Trash2 size={14} aria-hidden />
        </IconButton>
      </div>
      <div className="mt-2 flex items-center gap-2">
        {type === "choice" && (
          <input
            key={choices.join("\n")}
            aria-label={named(t("templates.choices"))}
            placeholder={t("templates.choicesHelp")}
            defaultValue={choices.join(", ")}
            onBlur={(event) => {
              const next = event.target.value.split(",").map((choice) => choice.trim());
              set({ choices: [...new Set(next.filter((choice) => choice !== ""))] });
            }}
            className={`${fieldLook} flex-[2]`}
          />
        )}
        <input
          aria-label={named(t("templates.default"))}
          placeholder={type === "date" ? t("templates.defaultDate") : t("templates.default")}
          value={variable.default}
          onChange={(event) => set({ default: event.target.value })}
          className={`${fieldLook} flex-1`}
        />
        <label htmlFor={id} className="flex shrink-0 items-center gap-1.5 text-xs">
          <input
            id={id}
            type="checkbox"
            checked={required}
            onChange={(event) => set({ required: event.target.checked })}
          />
          {t("templates.required")}
        </label>
      </div>
    </li>
  );
}

interface VariablesEditorProps {
  readonly variables: readonly TemplateVariable[];
  readonly undeclared: readonly string[];
  onChange(variables: TemplateVariable[]): void;
}

export function VariablesEditor({ variables, undeclared, onChange }: VariablesEditorProps) {
  const missing = undeclared.filter((name) => !variables.some((each) => each.name === name));
  return (
    <section aria-label={t("templates.variables")}>
      <h3 className="mb-1 text-xs font-medium">{t("templates.variables")}</h3>
      {variables.length > 0 && (
        <ul className="mb-2 flex flex-col gap-2">
          {variables.map((variable, index) => (
            <Row
              // A row keeps its place while its name is being typed.
              // oxlint-disable-next-line react/no-array-index-key
              key={index}
              variable={variable}
              onChange={(next) => onChange(variables.map((each, at) => (at === index ? next : each)))}
              onRemove={() => onChange(variables.filter((_, at) => at !== index))}
            />
          ))}
        </ul>
      )}
      <div className="flex flex-wrap gap-2">
        {missing.map((name) => (
          <Button key={name} onClick={() => onChange([...variables, fresh(name)])}>
            <Plus size={14} aria-hidden /> {t("templates.declare", { name })}
          </Button>
        ))}
        <Button onClick={() => onChange([...variables, fresh("")])}>
          <Plus size={14} aria-hidden /> {t("templates.addVariable")}
        </Button>
      </div>
    </section>
  );
}
