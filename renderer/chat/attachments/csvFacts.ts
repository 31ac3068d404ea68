// What is in a table of values: its rows and columns for people to see. The text itself goes to the model as it is.
import Papa from "papaparse";

export interface CsvTable {
  /** The first rows, head included. */
  readonly rows: readonly (readonly string[])[];
  /** Of the whole table, head not included. */
  readonly rowCount: number;
  readonly columnCount: number;
}

/** @returns null when it does not read as a table: no second column, or quotes that never close. */
export function readCsv(text: string, keep = 0): CsvTable | null {
  const rows: string[][] = [];
  let rowCount = 0;
  let columnCount = 0;
  let broken = false;
  Papa.parse<string[]>(text, {
    skipEmptyLines: "greedy",
    step({ data, errors }) {
      broken ||= errors.some(({ type }) => type === "Quotes");
      rowCount += 1;
      columnCount = Math.max(columnCount, data.length);
      if (rows.length <= keep) rows.push(data);
    },
  });
  if (broken || rowCount === 0) return null;
  return { rows: rows.slice(0, keep), rowCount: rowCount - 1, columnCount };
}
