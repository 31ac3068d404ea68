/**
 * Where @huggingface/jinja and Python's Jinja (as transformers sets it up) disagree, Python's answer. The library has
 * no hooks for filters, methods or operators, so a parsed template is rewritten: `a == b`, `s.strip("x")`, `v | join`
 * and `{{ v }}` become calls of the functions below, under names that no template can spell. What is not listed here is
 * the library's own. Every function is bounded by the caller's `spend`, which throws when too much text has been made.
 */
import { Environment, parse, tokenize } from "@huggingface/jinja";

export type JinjaValue = ReturnType<Environment["lookupVariable"]>;
export type JinjaNode = { type: string } & Record<string, unknown>;
type Spend = (amount: number) => void;
type PythonFunction = (args: readonly JinjaValue[], spend: Spend) => JinjaValue;

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

const isText = (value: JinjaValue | undefined): value is JinjaValue & { value: string } =>
  value?.type === "StringValue";
const isList = (value: JinjaValue | undefined): value is JinjaValue & { value: JinjaValue[] } =>
  value?.type === "ArrayValue" || value?.type === "TupleValue";
const isMap = (value: JinjaValue | undefined): value is JinjaValue & { value: Map<string, JinjaValue> } =>
  value?.type === "ObjectValue" || value?.type === "KeywordArgumentsValue";
const isNumeric = (value: JinjaValue): value is JinjaValue & { value: number | boolean } =>
  value.type === "IntegerValue" || value.type === "FloatValue" || value.type === "BooleanValue";
const isMissing = (value: JinjaValue | undefined): boolean => value === undefined || value.type === "UndefinedValue";
const isNone = (value: JinjaValue | undefined): boolean => value === undefined || value.type === "NullValue";
const isTrue = (value: JinjaValue): boolean => value.__bool__().value;

/** Positional and keyword arguments of a call, by the parameters' names. */
function bind(args: readonly JinjaValue[], names: readonly string[]): (JinjaValue | undefined)[] {
  const last = args.at(-1);
  const keywords = last?.type === "KeywordArgumentsValue" && isMap(last) ? last.value : undefined;
  const positional = keywords === undefined ? args : args.slice(0, -1);
  if (positional.length > names.length)
    throw new Error(`takes at most ${names.length} argument(s), got ${positional.length}`);
  for (const key of keywords?.keys() ?? [])
    if (!names.includes(key)) throw new Error(`got an unexpected keyword argument '${key}'`);
  return names.map((name, i) => positional[i] ?? keywords?.get(name));
}

function textOf(value: JinjaValue | undefined, what: string): string {
  if (!isText(value)) throw new Error(`${what} must be a string, not ${value?.type ?? "nothing"}`);
  return value.value;
}

function wholeOf(value: JinjaValue | undefined, otherwise: number): number {
  return value?.type === "IntegerValue" ? (value.value as number) : otherwise;
}

/** Python's str.isspace characters; JavaScript counts U+FEFF among them and leaves U+001C..1F and U+0085 out. */
const PYTHON_SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const SPACE_SET = new RegExp(`[${PYTHON_SPACE}]`, "u");

/** Python's str.strip: with `characters`, any of those at the ends; the library strips white space whatever is asked. */
function strip(text: string, characters: JinjaValue | undefined, side: "both" | "left" | "right"): string {
  const set = isNone(characters) ? null : new Set(textOf(characters, "strip's argument"));
  const units = Array.from(text);
  const drops = (unit: string | undefined): boolean =>
    unit !== undefined && (set === null ? SPACE_SET.test(unit) : set.has(unit));
  let start = 0;
  let end = units.length;
  if (side !== "right") while (start < end && drops(units[start])) start++;
  if (side !== "left") while (end > start && drops(units[end - 1])) end--;
  return start === 0 && end === units.length ? text : units.slice(start, end).join("");
}

function split(text: string, separator: JinjaValue | undefined, limit: number, fromRight: boolean): string[] {
  if (isNone(separator)) {
    const words = text.split(new RegExp(`[${PYTHON_SPACE}]+`, "u")).filter((word) => word !== "");
    if (limit < 0 || words.length <= limit + 1) return words;
    throw new Error("split by white space with a limit is not supported");
  }
  const cut = textOf(separator, "split's separator");
  if (cut === "") throw new Error("empty separator");
  const parts = text.split(cut);
  if (limit < 0 || parts.length <= limit + 1) return parts;
  return fromRight
    ? [parts.slice(0, parts.length - limit).join(cut), ...parts.slice(parts.length - limit)]
    : [...parts.slice(0, limit), parts.slice(limit).join(cut)];
}

function replaceText(text: string, from: string, to: string, count: number, spend: Spend): string {
  const parts = from === "" ? ["", ...Array.from(text), ""] : text.split(from);
  const times = count < 0 ? parts.length - 1 : Math.min(count, parts.length - 1);
  spend(text.length + times * to.length);
  return (
    parts.slice(0, times + 1).join(to) +
    parts
      .slice(times + 1)
      .map((part) => from + part)
      .join("")
  );
}

function pythonFloat(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e16) return Object.is(value, -0) ? "-0.0" : value.toFixed(1);
  return String(value).replace(/e([+-])(\d)$/, "e$10$2");
}

function pythonRepr(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escapes: Record<string, string> = {
    "\\": "\\\\",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    [quote]: `\\${quote}`,
  };
  // oxlint-disable-next-line no-control-regex -- Python escapes exactly these
  return (
    quote +
    text
      .replace(/[\\\n\r\t'"]/g, (unit) => escapes[unit] ?? unit)
      .replace(/[\x00-\x1f\x7f]/g, (unit) => `\\x${unit.charCodeAt(0).toString(16).padStart(2, "0")}`) +
    quote
  );
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
function equal(a: JinjaValue, b: JinjaValue, spend: Spend): boolean {
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

function contains(item: JinjaValue, holder: JinjaValue, spend: Spend): boolean {
  if (isMissing(holder)) return false;
  if (isList(holder)) return holder.value.some((other) => equal(item, other, spend));
  if (isMap(holder)) return isText(item) && holder.value.has(item.value);
  if (isText(holder)) return holder.value.includes(textOf(item, "the left side of 'in <string>'"));
  throw new Error(`'in' needs a string, list or mapping, not ${holder.type}`);
}

interface JsonStyle {
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
function json(value: JinjaValue, style: JsonStyle, spend: Spend, depth = 0): string {
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

const tojson: PythonFunction = (args, spend) => {
  const [value, indent, separators, ascii, sorted] = bind(args, [
    "value",
    "indent",
    "separators",
    "ensure_ascii",
    "sort_keys",
  ]);
  const width = isNone(indent) || isMissing(indent) ? null : wholeOf(indent, Number.NaN);
  if (width !== null && !(width >= 0 && width <= 32)) throw new Error("tojson's indent must be a number from 0 to 32");
  const pair = isList(separators)
    ? separators.value.map((part) => textOf(part, "a separator"))
    : [width === null ? ", " : ",", ": "];
  const style = {
    indent: width === null ? null : " ".repeat(width),
    item: pair[0] ?? ", ",
    key: pair[1] ?? ": ",
    sorted: sorted !== undefined && isTrue(sorted),
    ascii: ascii !== undefined && isTrue(ascii),
  };
  return toJinja(json(value as JinjaValue, style, spend));
};

const join: PythonFunction = (args, spend) => {
  const [value, separator, attribute] = bind(args, ["value", "d", "attribute"]);
  const cut = isMissing(separator) ? "" : textOf(separator, "join's separator");
  const items = isText(value) ? Array.from(value.value, toJinja) : isList(value) ? value.value : null;
  if (items === null) throw new Error(`join needs a list, not ${value?.type ?? "nothing"}`);
  const name = isNone(attribute) ? null : textOf(attribute, "join's attribute");
  const parts = items.map((item) =>
    pythonText(
      name === null ? item : isMap(item) ? (item.value.get(name) ?? toJinja(undefined)) : toJinja(undefined),
      spend,
    ),
  );
  spend(parts.reduce((sum, part) => sum + part.length + cut.length, 0));
  return toJinja(parts.join(cut));
};

const fallback: PythonFunction = (args) => {
  const [value, otherwise, boolean] = bind(args, ["value", "default_value", "boolean"]);
  const replaces = isMissing(value) || (boolean !== undefined && isTrue(boolean) && !isTrue(value as JinjaValue));
  return replaces ? (otherwise ?? toJinja("")) : (value as JinjaValue);
};

const length: PythonFunction = (args) => {
  const [value] = bind(args, ["value"]);
  if (isText(value)) return toJinja(Array.from(value.value).length);
  if (isList(value)) return toJinja(value.value.length);
  if (isMap(value)) return toJinja(value.value.size);
  if (isMissing(value)) return toJinja(0);
  throw new Error(`${value?.type ?? "nothing"} has no length`);
};

const indent: PythonFunction = (args, spend) => {
  const [value, width, first, blank] = bind(args, ["value", "width", "first", "blank"]);
  const pad = isText(width) ? width.value : " ".repeat(Math.min(Math.max(wholeOf(width, 4), 0), 1000));
  const lines = textOf(value, "indent's operand").split("\n");
  spend(lines.length * pad.length);
  const [padsFirst, padsBlank] = [first, blank].map((flag) => flag !== undefined && isTrue(flag));
  return toJinja(
    lines
      .map((line, i) => ((i === 0 ? padsFirst === true : line !== "" || padsBlank === true) ? pad + line : line))
      .join("\n"),
  );
};

const ends =
  (at: 0 | -1): PythonFunction =>
  ([value]) => {
    const items = isText(value)
      ? Array.from(value.value, toJinja)
      : isList(value)
        ? value.value
        : isMap(value)
          ? [...value.value.keys()].map(toJinja)
          : [];
    return items.at(at) ?? toJinja(undefined);
  };

const list: PythonFunction = ([value], spend) => {
  if (isList(value)) return value;
  const items = isText(value) ? Array.from(value.value) : isMap(value) ? [...value.value.keys()] : [];
  spend(items.length);
  return toJinja(items);
};

const capitalize = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1).toLowerCase();

/** Filters: `value | name(...)`. */
const FILTERS: Readonly<Record<string, PythonFunction>> = {
  tojson,
  join,
  length,
  count: length,
  default: fallback,
  d: fallback,
  indent,
  list,
  first: ends(0),
  last: ends(-1),
  string: ([value], spend) => toJinja(pythonText(value as JinjaValue, spend)),
  trim: (args, spend) => {
    const [value, characters] = bind(args, ["value", "chars"]);
    return toJinja(strip(pythonText(value as JinjaValue, spend), characters, "both"));
  },
  capitalize: ([value], spend) => toJinja(capitalize(pythonText(value as JinjaValue, spend))),
  replace: (args, spend) => {
    const [value, from, to, count] = bind(args, ["s", "old", "new", "count"]);
    return toJinja(
      replaceText(
        pythonText(value as JinjaValue, spend),
        textOf(from, "replace's argument"),
        textOf(to, "replace's argument"),
        wholeOf(count, -1),
        spend,
      ),
    );
  },
};

/** Methods of strings: `text.name(...)`. */
const METHODS: Readonly<Record<string, (text: string, args: readonly JinjaValue[], spend: Spend) => unknown>> = {
  strip: (text, args) => strip(text, bind(args, ["chars"])[0], "both"),
  lstrip: (text, args) => strip(text, bind(args, ["chars"])[0], "left"),
  rstrip: (text, args) => strip(text, bind(args, ["chars"])[0], "right"),
  split: (text, args) => {
    const [separator, limit] = bind(args, ["sep", "maxsplit"]);
    return split(text, separator, wholeOf(limit, -1), false);
  },
  rsplit: (text, args) => {
    const [separator, limit] = bind(args, ["sep", "maxsplit"]);
    return split(text, separator, wholeOf(limit, -1), true);
  },
  splitlines: (text) =>
    text
      .replace(/\n$/, "")
      .split("\n")
      .filter((line, _, all) => all.length > 1 || line !== ""),
  replace: (text, args, spend) => {
    const [from, to, count] = bind(args, ["old", "new", "count"]);
    return replaceText(
      text,
      textOf(from, "replace's argument"),
      textOf(to, "replace's argument"),
      wholeOf(count, -1),
      spend,
    );
  },
  join: (text, args, spend) => join([bind(args, ["iterable"])[0] ?? toJinja(undefined), toJinja(text)], spend).value,
  capitalize: (text) => capitalize(text),
  find: (text, args) => {
    const found = text.indexOf(textOf(bind(args, ["sub"])[0], "find's argument"));
    return found < 0 ? -1 : Array.from(text.slice(0, found)).length;
  },
  count: (text, args) => text.split(textOf(bind(args, ["sub"])[0], "count's argument")).length - 1,
  removeprefix: (text, args) => {
    const prefix = textOf(bind(args, ["prefix"])[0], "removeprefix's argument");
    return text.startsWith(prefix) ? text.slice(prefix.length) : text;
  },
  removesuffix: (text, args) => {
    const suffix = textOf(bind(args, ["suffix"])[0], "removesuffix's argument");
    return suffix !== "" && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text;
  },
};

const OPERATORS: Readonly<Record<string, PythonFunction>> = {
  "==": ([a, b], spend) => toJinja(equal(a as JinjaValue, b as JinjaValue, spend)),
  "!=": ([a, b], spend) => toJinja(!equal(a as JinjaValue, b as JinjaValue, spend)),
  in: ([a, b], spend) => toJinja(contains(a as JinjaValue, b as JinjaValue, spend)),
  "not in": ([a, b], spend) => toJinja(!contains(a as JinjaValue, b as JinjaValue, spend)),
  "~": ([a, b], spend) => toJinja(pythonText(a as JinjaValue, spend) + pythonText(b as JinjaValue, spend)),
};

// Names with a space or a sign: the lexer makes no identifier of them, so a template can neither call nor hide them.
const OUTPUT = " output";
const operatorName = (name: string): string => ` ${name}`;
const filterName = (name: string): string => `|${name}`;
const methodName = (name: string): string => `.${name}`;

function callMethod(name: string, args: readonly JinjaValue[], spend: Spend, scope: Environment): JinjaValue {
  const [receiver, ...rest] = args;
  if (isText(receiver)) {
    const method = METHODS[name] as (typeof METHODS)[string];
    return toJinja(method(receiver.value, rest, spend));
  }
  const own =
    isMap(receiver) || receiver?.type === "NamespaceValue"
      ? (receiver.value as Map<string, JinjaValue>).get(name)
      : undefined;
  const found = own ?? receiver?.builtins.get(name);
  if (found?.type !== "FunctionValue") throw new Error(`${receiver?.type ?? "nothing"} has no method '${name}'`);
  return (found.value as (args: readonly JinjaValue[], scope: Environment) => JinjaValue)(rest, scope);
}

/** Puts the functions that a rewritten template calls into its outermost scope. */
export function declarePythonFunctions(scope: Environment, spend: Spend): void {
  const declare = (name: string, call: PythonFunction): void => {
    scope.setVariable(
      name,
      jinjaFunction((args) => call(args, spend)),
    );
  };
  for (const [name, call] of Object.entries(FILTERS)) declare(filterName(name), call);
  for (const [name, call] of Object.entries(OPERATORS)) declare(operatorName(name), call);
  for (const name of Object.keys(METHODS)) declare(methodName(name), (args) => callMethod(name, args, spend, scope));
  declare(OUTPUT, ([value]) => toJinja(pythonText(value as JinjaValue, spend)));
}

const asNode = (value: unknown): JinjaNode => value as JinjaNode;
const sampleCall = asNode(parse(tokenize("{{ f(x) }}")).body[0]);
const CallExpression = sampleCall.constructor as new (callee: unknown, args: unknown[]) => JinjaNode;
const Identifier = asNode(sampleCall["callee"]).constructor as new (name: string) => JinjaNode;
const call = (name: string, args: unknown[]): JinjaNode => new CallExpression(new Identifier(name), args);

const BLOCKS = ["body", "alternate", "defaultBlock"] as const;
const SILENT = new Set([
  "If",
  "For",
  "Set",
  "Macro",
  "CallStatement",
  "FilterStatement",
  "Comment",
  "Break",
  "Continue",
  "StringLiteral",
]);

export function isJinjaNode(value: unknown): value is JinjaNode {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}

/** Rewrites a parsed template in place so that it calls the functions above. */
export function rewriteForPython(node: JinjaNode): void {
  for (const key of Object.keys(node)) {
    const value = node[key];
    if (Array.isArray(value)) {
      const printed = node.type !== "ArrayLiteral" && BLOCKS.some((block) => block === key);
      node[key] = value.map((child: unknown) => (isJinjaNode(child) ? rewritten(child, printed) : child));
    } else if (value instanceof Map) {
      node[key] = new Map(
        [...value].map(([name, child]: [unknown, unknown]) => [
          name,
          isJinjaNode(child) ? rewritten(child, false) : child,
        ]),
      );
    } else if (isJinjaNode(value) && key !== "operator") {
      node[key] = rewritten(value, false);
    }
  }
}

function rewritten(node: JinjaNode, printed: boolean): JinjaNode {
  rewriteForPython(node);
  const replaced = replacement(node);
  return printed && !SILENT.has(replaced.type) ? call(OUTPUT, [replaced]) : replaced;
}

function replacement(node: JinjaNode): JinjaNode {
  if (node.type === "BinaryExpression") {
    const operator = (node["operator"] as { value: string }).value;
    return Object.hasOwn(OPERATORS, operator) ? call(operatorName(operator), [node["left"], node["right"]]) : node;
  }
  if (node.type === "FilterExpression") {
    const filter = asNode(node["filter"]);
    const name = filter.type === "CallExpression" ? asNode(filter["callee"])["value"] : filter["value"];
    if (typeof name !== "string" || !Object.hasOwn(FILTERS, name)) return node;
    return call(filterName(name), [
      node["operand"],
      ...(filter.type === "CallExpression" ? (filter["args"] as unknown[]) : []),
    ]);
  }
  if (node.type === "CallExpression") {
    const callee = asNode(node["callee"]);
    const name =
      callee.type === "MemberExpression" && callee["computed"] !== true
        ? asNode(callee["property"])["value"]
        : undefined;
    if (typeof name === "string" && Object.hasOwn(METHODS, name))
      return call(methodName(name), [callee["object"], ...(node["args"] as unknown[])]);
  }
  return node;
}
