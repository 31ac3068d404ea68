// A table of the panel: a caption that says what chance would give, a head, rows in fixed-width figures.

interface FactTableProps {
  readonly caption: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export function FactTable({ caption, head, rows }: FactTableProps) {
  return (
    <table className="w-full text-xs">
      <caption className="pb-1 text-left text-muted">{caption}</caption>
      <thead>
        <tr className="border-b border-line text-muted">
          {head.map((title, column) => (
            <th key={title} scope="col" className={`py-1 font-medium ${column === 0 ? "text-left" : "text-right"}`}>
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody className="font-mono">
        {rows.map((row) => (
          <tr key={row.join()} className="border-b border-line/60">
            {row.map((cell, column) => (
              <td
                key={head[column]}
                className={`py-1 ${column === 0 ? "pr-2 text-left wrap-anywhere whitespace-pre-wrap" : "text-right whitespace-pre"}`}
              >
                {cell}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
