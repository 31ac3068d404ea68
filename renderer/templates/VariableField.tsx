// One variable's value, with the control that fits its type.
import { useId } from "react";
import type { TemplateVariable } from "../../electron/contract/templates.ts";
import { t } from "../i18n/texts.ts";

export const fieldLook =
  "w-full rounded-md border border-line bg-canvas px-2 py-1.5 text-[13px] placeholder:text-muted aria-invalid:border-danger";

interface VariableFieldProps {
  readonly variable: TemplateVariable;
  readonly value: string;
  readonly problem: string | undefined;
  onChange(value: string): void;
}

export function VariableField({ variable, value, problem, onChange }: VariableFieldProps) {
  const id = useId();
  const { name, label, type, required, choices } = variable;
  const shared = {
    id,
    value,
    required,
    "aria-invalid": problem !== undefined,
    "aria-describedby": problem === undefined ? undefined : `${id}-problem`,
    className: fieldLook,
    onChange: (event: { readonly target: { readonly value: string } }) => onChange(event.target.value),
  };
  return (
    <div className="min-w-0">
      <label htmlFor={id} className="mb-1 block text-xs font-medium">
        {label === "" ? name : label}
        {!required && <span className="font-normal text-muted"> {t("templates.optional")}</span>}
      </label>
      {type === "multiline" ? (
        <textarea rows={2} {...shared} />
      ) : type === "choice" ? (
        <select {...shared}>
          {(value === "" || !required) && <option value="">–</option>}
          {choices.map((choice) => (
            <option key={choice} value={choice}>
              {choice}
            </option>
          ))}
        </select>
      ) : (
        <input type={type} step={type === "number" ? "any" : undefined} {...shared} />
      )}
      {problem !== undefined && (
        <p id={`${id}-problem`} className="mt-1 text-xs text-danger">
          {problem}
        </p>
      )}
    </div>
  );
}
