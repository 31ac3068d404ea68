/**
 * Template values and what Python makes of them: str(), repr(), ==, in, json.dumps. @huggingface/jinja writes and compares
 * values as JavaScript does. Whatever grows with its input reports to the caller's `spend`, which throws when too much
 * has been made.
 */
import { Environment } from "@huggingface/jinja";

export type JinjaValue = ReturnType<Environment["lookupVariable"]>;
/** Takes note that so many characters, items or comparisons are about to be made; throws when they are too many. */
export type Spend = (amount: number) => void;

/** A JavaScript value (text, number, boolean, null, plain lists and objects, functions of plain values) as a template sees it. */
export function toJinja(value: unknown): JinjaValue {
  return new Environment().set("value", value);
}

/** A function that takes and gives template values. */
export function jinjaFunction(call: (args: readonly JinjaValue[]) => JinjaValue): JinjaValue {
  const value = toJinja(() => null);
  (value as { value: unknown }).value = call;
  return value;
}

export function listValue(items: readonly JinjaValue[]): JinjaValue {
  const value = toJinja([]);
  (value as { value: unknown }).value = items;
  return value;
}

/** A float even where the number is whole. */
export function floatValue(number: number): JinjaValue {
  const value = toJinja(0.5);
  (value as { value: unknown }).value = number;
  return value;
}

export const isText = (value: JinjaValue | undefined): value is JinjaValue & { value: string } =>
  value?.type === "StringValue";
export const isList = (value: JinjaValue | undefined): value is JinjaValue & { value: JinjaValue[] } =>
  value?.type === "ArrayValue" || value?.type === "TupleValue";
export const isMap = (value: JinjaValue | undefined): value is JinjaValue & { value: Map<string, JinjaValue> } =>
  value?.type === "ObjectValue" || value?.type === "KeywordArgumentsValue";
export const isNumeric = (value: JinjaValue): value is JinjaValue & { value: number | boolean } =>
  value.type === "IntegerValue" || value.type === "FloatValue" || value.type === "BooleanValue";
export const isMissing = (value: JinjaValue | undefined): boolean =>
  value === undefined || value.type === "UndefinedValue";
export const isNone = (value: JinjaValue | undefined): boolean => value === undefined || value.type === "NullValue";
export const isTrue = (value: JinjaValue): boolean => value.__bool__().value;

export function textOf(value: JinjaValue | undefined, what: string): string {
  if (!isText(value)) throw new Error(`${what} must be a string, not ${value?.type ?? "nothing"}`);
  return value.value;
}

function pythonFloat(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e16) return Object.is(value, -0) ? "-0.0" : value.toFixed(1);
  return String(value).replace(/e([+-])(\d)$/, "e$10$2");
}

/** Python's repr of a text: the quotes it would choose, and control characters spelt out. */
export function pythonRepr(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escapes: Readonly<Record<string, string>> = {
    "\\": "\\\\",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    [quote]: `\\${quote}`,
  };
  const spelt = text.replace(/[\\'"\p{Cc}]/gu, (unit) => {
    const code = unit.charCodeAt(0);
    if (Object.hasOwn(escapes, unit)) return escapes[unit] ?? unit;
    return unit === "'" || unit === '"' ? unit : `\\x${code.toString(16).padStart(2, "0")}`;
  });
  return quote + spelt + quote;
}

/** Python's str() (or repr(), inside containers); the library writes JSON, `true` for True and nothing for None. */
export function pythonText(value: JinjaValue, spend: Spend, inside = false): string {
  spend(1);
  if (isText(value)) {
    if (inside) spend(value.value.length);
    return inside ? pythonRepr(value.value) : value.value;
  }
  if (isList(value)) {
    const items = value.value.map((item) => pythonText(item, spend, true)).join(", ");
    return value.type === "TupleValue" ? `(${items}${value.value.length === 1 ? "," : ""})` : `[${items}]`;
  }
  if (isMap(value))
    return `{${[...value.value].map(([key, item]) => `${pythonRepr(key)}: ${pythonText(item, spend, true)}`).join(", ")}}`;
  switch (value.type) {
    case "IntegerValue":
      return String(value.value);
    case "FloatValue":
      return pythonFloat(value.value as number);
    case "BooleanValue":
      return value.value === true ? "True" : "False";
    case "NullValue":
      return "None";
    case "UndefinedValue":
      return "";
    default:
      return `<${value.type.replace("Value", "").toLowerCase()}>`;
  }
}

/** Python's ==; the library's is JavaScript's, where '' == 0 and [] == ''. */
export function equal(a: JinjaValue, b: JinjaValue, spend: Spend): boolean {
  spend(1);
  if (a === b) return true;
  if (isNumeric(a) && isNumeric(b)) return Number(a.value) === Number(b.value);
  if (isText(a) && isText(b)) return a.value === b.value;
  if (isList(a) && isList(b))
    return (
      a.value.length === b.value.length && a.value.every((item, i) => equal(item, b.value[i] as JinjaValue, spend))
    );
  if (isMap(a) && isMap(b)) {
    const other = b.value;
    return (
      a.value.size === other.size &&
      [...a.value].every(([key, item]) => other.has(key) && equal(item, other.get(key) as JinjaValue, spend))
    );
  }
  return a.type === b.type && a.value === b.value;
}

export function contains(item: JinjaValue, holder: JinjaValue, spend: Spend): boolean {
  if (isMissing(holder)) return false;
  if (isList(holder)) return holder.value.some((other) => equal(item, other, spend));
  if (isMap(holder)) return isText(item) && holder.value.has(item.value);
  if (isText(holder)) return holder.value.includes(textOf(item, "the left side of 'in <string>'"));
  throw new Error(`'in' needs a string, list or mapping, not ${holder.type}`);
}

export interface JsonStyle {
  readonly indent: string | null;
  readonly item: string;
  readonly key: string;
  readonly sorted: boolean;
  readonly ascii: boolean;
}

const jsonText = (text: string, ascii: boolean): string => {
  const quoted = JSON.stringify(text);
  return ascii
    ? quoted.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
    : quoted;
};

/** json.dumps as transformers' tojson calls it: no HTML escapes, Python's separators and floats. */
export function json(value: JinjaValue, style: JsonStyle, spend: Spend, depth = 0): string {
  spend(1);
  const around = (open: string, items: readonly string[], close: string): string => {
    if (style.indent === null || items.length === 0) return open + items.join(style.item) + close;
    spend((items.length + 1) * style.indent.length * (depth + 1));
    const pad = `\n${style.indent.repeat(depth + 1)}`;
    return open + pad + items.join(style.item + pad) + `\n${style.indent.repeat(depth)}` + close;
  };
  if (isText(value)) {
    spend(value.value.length);
    return jsonText(value.value, style.ascii);
  }
  if (isList(value))
    return around(
      "[",
      value.value.map((item) => json(item, style, spend, depth + 1)),
      "]",
    );
  if (isMap(value) || value.type === "NamespaceValue") {
    const entries = [...(value.value as Map<string, JinjaValue>)];
    if (style.sorted) entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    return around(
      "{",
      entries.map(([key, item]) => jsonText(key, style.ascii) + style.key + json(item, style, spend, depth + 1)),
      "}",
    );
  }
  if (isNumeric(value)) return value.type === "FloatValue" ? pythonFloat(value.value as number) : String(value.value);
  if (value.type === "NullValue" || value.type === "UndefinedValue") return "null";
  throw new Error(`${value.type} cannot be written as JSON`);
}
