/** Operators, comparisons, subscripts and text formatting as Python has them, over template values. */
import {
  contains,
  equal,
  floatValue,
  isList,
  isMap,
  isNumeric,
  isText,
  listValue,
  pythonRepr,
  pythonText,
  toJinja,
  type JinjaValue,
  type Spend,
} from "./jinjaValues.ts";

type Operator = (left: JinjaValue, right: JinjaValue, spend: Spend) => JinjaValue;

const kindOf = ({ type }: JinjaValue): string => type.replace("Value", "").toLowerCase();

function unsupported(operator: string, left: JinjaValue, right: JinjaValue): Error {
  return new Error(`'${operator}' does not work between ${kindOf(left)} and ${kindOf(right)}`);
}

/** Numbers only; the result is a float where Python's is. */
function numeric(operator: string, compute: (a: number, b: number) => number): Operator {
  return (left, right) => {
    if (!isNumeric(left) || !isNumeric(right)) throw unsupported(operator, left, right);
    const [a, b] = [Number(left.value), Number(right.value)];
    const divides = operator === "/" || operator === "//" || operator === "%";
    if (divides && b === 0) throw new Error("division by zero");
    const isFloat = operator === "/" || left.type === "FloatValue" || right.type === "FloatValue";
    return isFloat ? floatValue(compute(a, b)) : toJinja(compute(a, b));
  };
}

const addNumbers = numeric("+", (a, b) => a + b);
const multiplyNumbers = numeric("*", (a, b) => a * b);
// The sign of Python's remainder is the divisor's.
const remainder = numeric("%", (a, b) => a - b * Math.floor(a / b));

const add: Operator = (left, right, spend) => {
  if (isText(left) && isText(right)) return toJinja(left.value + right.value);
  if (!isList(left) || !isList(right)) return addNumbers(left, right, spend);
  spend(left.value.length + right.value.length);
  return listValue([...left.value, ...right.value]);
};

const multiply: Operator = (left, right, spend) => {
  const [sequence, times] = isText(left) || isList(left) ? [left, right] : [right, left];
  if (times.type !== "IntegerValue" || !(isText(sequence) || isList(sequence)))
    return multiplyNumbers(left, right, spend);
  const count = Math.max(0, times.value as number);
  spend(sequence.value.length * count);
  if (isText(sequence)) return toJinja(sequence.value.repeat(count));
  return listValue(Array.from({ length: count }, () => sequence.value as readonly JinjaValue[]).flat());
};

/** `"%s" % value`; only %s, %r and %d, without widths. */
function percent(format: string, right: JinjaValue, spend: Spend): string {
  const values = right.type === "TupleValue" && isList(right) ? right.value : [right];
  let next = 0;
  const text = format.replace(/%(.?)/gs, (whole, letter: string) => {
    if (letter === "%") return "%";
    const value = values[next++];
    if (value === undefined) throw new Error("not enough arguments for the format string");
    if (letter === "s") return pythonText(value, spend);
    if (letter === "r") return isText(value) ? pythonRepr(value.value) : pythonText(value, spend, true);
    if (letter === "d" && isNumeric(value)) return String(Math.trunc(Number(value.value)));
    throw new Error(`the format '${whole}' is not supported`);
  });
  spend(text.length);
  return text;
}

/** `"{} {name}".format(...)`, without conversions and format specifications. */
export function formatText(
  format: string,
  positional: readonly JinjaValue[],
  named: ReadonlyMap<string, JinjaValue>,
  spend: Spend,
): string {
  let next = 0;
  const text = format.replace(/\{\{|\}\}|\{([^{}]*)\}/g, (whole, field: string | undefined) => {
    if (field === undefined) return whole.slice(1);
    const value =
      field === "" ? positional[next++] : /^\d+$/.test(field) ? positional[Number(field)] : named.get(field);
    if (value === undefined) throw new Error(`nothing is given for the format field '${whole}'`);
    return pythonText(value, spend);
  });
  spend(text.length);
  return text;
}

function compare(operator: string, holds: (order: number) => boolean): Operator {
  return (left, right) => {
    if (isNumeric(left) && isNumeric(right)) return toJinja(holds(Number(left.value) - Number(right.value)));
    if (!isText(left) || !isText(right)) throw unsupported(operator, left, right);
    return toJinja(holds(left.value < right.value ? -1 : left.value > right.value ? 1 : 0));
  };
}

export const OPERATORS: Readonly<Record<string, Operator>> = {
  "==": (left, right, spend) => toJinja(equal(left, right, spend)),
  "!=": (left, right, spend) => toJinja(!equal(left, right, spend)),
  in: (left, right, spend) => toJinja(contains(left, right, spend)),
  "not in": (left, right, spend) => toJinja(!contains(left, right, spend)),
  "~": (left, right, spend) => toJinja(pythonText(left, spend) + pythonText(right, spend)),
  "+": add,
  "-": numeric("-", (a, b) => a - b),
  "*": multiply,
  "/": numeric("/", (a, b) => a / b),
  "//": numeric("//", (a, b) => Math.floor(a / b)),
  "%": (left, right, spend) =>
    isText(left) ? toJinja(percent(left.value, right, spend)) : remainder(left, right, spend),
  "<": compare("<", (order) => order < 0),
  "<=": compare("<=", (order) => order <= 0),
  ">": compare(">", (order) => order > 0),
  ">=": compare(">=", (order) => order >= 0),
};

/** `holder[key]`: what is not there is undefined. A text's items are characters; the library's are halves of some. */
export function itemOf(holder: JinjaValue, key: JinjaValue): JinjaValue {
  if (key.type === "IntegerValue") {
    const at = key.value as number;
    if (isText(holder)) return toJinja(Array.from(holder.value).at(at));
    return (isList(holder) ? holder.value.at(at) : undefined) ?? toJinja(undefined);
  }
  if (!isText(key)) return toJinja(undefined);
  const own =
    isMap(holder) || holder.type === "NamespaceValue"
      ? (holder.value as ReadonlyMap<string, JinjaValue>).get(key.value)
      : undefined;
  return own ?? holder.builtins.get(key.value) ?? toJinja(undefined);
}
