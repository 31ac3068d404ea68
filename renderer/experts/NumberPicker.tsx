// A small list of numbers: the layer or the expert that a view looks at.

interface NumberPickerProps {
  readonly label: string;
  readonly value: number;
  readonly count: number;
  onPick(value: number): void;
}

export function NumberPicker({ label, value, count, onPick }: NumberPickerProps) {
  return (
    <label className="flex items-center gap-1 text-[13px] text-muted">
      {label}
      <select
        value={Math.min(value, count - 1)}
        onChange={(event) => onPick(Number(event.target.value))}
        className="rounded border border-line bg-raised px-1 py-0.5 text-ink"
      >
        {Array.from({ length: count }, (_, index) => (
          <option key={index} value={index}>
            {index}
          </option>
        ))}
      </select>
    </label>
  );
}
