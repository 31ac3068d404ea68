// What the rows of Settings are made of: label, help and control; a number that counts once it is left.
import { useId, type ReactNode } from "react";

interface RowProps {
  readonly label: string;
  readonly help?: string;
  children(id: string): ReactNode;
}

export function Row({ label, help, children }: RowProps) {
  const id = useId();
  return (
    <div className="flex items-start justify-between gap-4 border-b border-line/60 py-3 last:border-0">
      <div className="min-w-0">
        <label htmlFor={id} className="font-medium">
          {label}
        </label>
        {help !== undefined && <p className="text-xs text-muted">{help}</p>}
      </div>
      {children(id)}
    </div>
  );
}

export const fieldLook = "h-8 rounded-md border border-line bg-canvas px-2";

interface NumberRowProps {
  readonly label: string;
  readonly help: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  onChange(value: number): void;
}

export function NumberRow({ label, help, value, min, max, step, onChange }: NumberRowProps) {
  return (
    <Row label={label} help={help}>
      {(id) => (
        <input
          id={id}
          type="number"
          key={value}
          defaultValue={value}
          min={min}
          max={max}
          step={step}
          className={`${fieldLook} w-28`}
          onBlur={(event) => {
            const next = Number(event.target.value);
            if (event.target.value !== "" && event.target.validity.valid && next !== value) onChange(next);
            else event.target.value = String(value);
          }}
        />
      )}
    </Row>
  );
}
