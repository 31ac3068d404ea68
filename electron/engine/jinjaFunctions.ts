/**
 * Filters, methods and tests as Python's Jinja has them, where @huggingface/jinja lacks them or differs. Tables of
 * functions over template values; they know nothing of syntax trees.
 */
import { Environment } from "@huggingface/jinja";
import { formatText } from "./jinjaOperators.ts";
import {
  floatValue,
  isList,
  isMap,
  isMissing,
  isNone,
  isNumeric,
  isText,
  isTrue,
  json,
  listValue,
  pythonText,
  textOf,
  toJinja,
  type JinjaValue,
  type Spend,
} from "./jinjaValues.ts";

export type PythonFunction = (args: readonly JinjaValue[], spend: Spend) => JinjaValue;

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

/** Python's str.title: a letter after no letter is a capital. */
const title = (text: string): string =>
  text.toLowerCase().replace(/(?<!\p{L})\p{L}/gu, (letter) => letter.toUpperCase());

function attributeOf(item: JinjaValue, path: string): JinjaValue {
  let value = item;
  for (const part of path.split(".")) {
    const inner = isMap(value) ? value.value.get(part) : isList(value) ? value.value[Number(part)] : undefined;
    value = inner ?? toJinja(undefined);
  }
  return value;
}

function itemsOf(value: JinjaValue | undefined, filter: string): readonly JinjaValue[] {
  if (isList(value)) return value.value;
  if (isText(value)) return Array.from(value.value, toJinja);
  if (isMap(value)) return [...value.value.keys()].map(toJinja);
  if (isMissing(value)) return [];
  throw new Error(`${filter} needs a list, not ${value?.type ?? "nothing"}`);
}

const map: PythonFunction = (args, spend) => {
  const last = args.at(-1);
  const keywords = last?.type === "KeywordArgumentsValue" && isMap(last) ? last.value : undefined;
  const [value, name, ...rest] = args;
  const items = itemsOf(value, "map");
  spend(items.length);
  const attribute = keywords?.get("attribute");
  if (attribute !== undefined) {
    const path = pythonText(attribute, spend);
    const found = items.map((item) => attributeOf(item, path));
    return listValue(found.map((item) => (isMissing(item) ? (keywords?.get("default") ?? item) : item)));
  }
  const filter = textOf(name, "map's filter");
  const apply = Object.hasOwn(FILTERS, filter) ? FILTERS[filter] : undefined;
  if (apply === undefined) throw new Error(`map cannot apply the filter "${filter}"`);
  return listValue(items.map((item) => apply([item, ...rest], spend)));
};

const libraryTests = new Environment().tests;

const choose =
  (wanted: boolean): PythonFunction =>
  ([value, name, ...rest], spend) => {
    const items = itemsOf(value, "select");
    spend(items.length);
    if (name === undefined) return listValue(items.filter((item) => isTrue(item) === wanted));
    const test = libraryTests.get(textOf(name, "select's test"));
    if (test === undefined) throw new Error(`there is no test "${pythonText(name, spend)}"`);
    return listValue(items.filter((item) => test(item, ...rest) === wanted));
  };

function numberOf(value: JinjaValue | undefined, filter: string): number {
  if (value === undefined || !isNumeric(value))
    throw new Error(`${filter} needs numbers, not ${value?.type ?? "nothing"}`);
  return Number(value.value);
}

const extreme =
  (filter: "min" | "max"): PythonFunction =>
  ([value]) => {
    const items = itemsOf(value, filter);
    const better = (a: JinjaValue, b: JinjaValue): boolean =>
      isText(a) && isText(b) ? a.value < b.value : numberOf(a, filter) < numberOf(b, filter);
    return items.reduce(
      (best, item) => ((filter === "min" ? better(item, best) : better(best, item)) ? item : best),
      items[0] ?? toJinja(undefined),
    );
  };

const sum: PythonFunction = ([value]) => {
  const items = itemsOf(value, "sum");
  const total = items.reduce((all, item) => all + numberOf(item, "sum"), 0);
  return items.some(({ type }) => type === "FloatValue") ? floatValue(total) : toJinja(total);
};

/** Python rounds halves to even. */
const round: PythonFunction = (args) => {
  const [value, precision] = bind(args, ["value", "precision"]);
  const scale = 10 ** wholeOf(precision, 0);
  const scaled = numberOf(value, "round") * scale;
  const down = Math.floor(scaled);
  const half = scaled - down === 0.5;
  return floatValue((half ? down + (down % 2 === 0 ? 0 : 1) : Math.round(scaled)) / scale);
};

const HTML: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&#39;", '"': "&#34;" };
const escape: PythonFunction = ([value], spend) =>
  toJinja(pythonText(value as JinjaValue, spend).replace(/[&<>'"]/g, (unit) => HTML[unit] ?? unit));

const items: PythonFunction = ([value]) => {
  if (isMissing(value)) return listValue([]);
  if (!isMap(value)) throw new Error(`items needs a mapping, not ${value?.type ?? "nothing"}`);
  return listValue([...value.value].map(([key, item]) => listValue([toJinja(key), item])));
};

/** Filters: `value | name(...)`. */
export const FILTERS: Readonly<Record<string, PythonFunction>> = {
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
  map,
  select: choose(true),
  reject: choose(false),
  sum,
  min: extreme("min"),
  max: extreme("max"),
  round,
  escape,
  e: escape,
  items,
  upper: ([value], spend) => toJinja(pythonText(value as JinjaValue, spend).toUpperCase()),
  lower: ([value], spend) => toJinja(pythonText(value as JinjaValue, spend).toLowerCase()),
  title: ([value], spend) => toJinja(title(pythonText(value as JinjaValue, spend))),
  wordcount: ([value], spend) => toJinja(pythonText(value as JinjaValue, spend).match(/[\p{L}\p{N}_]+/gu)?.length ?? 0),
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
export const METHODS: Readonly<Record<string, (text: string, args: readonly JinjaValue[], spend: Spend) => unknown>> = {
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
  title: (text) => title(text),
  isdigit: (text) => /^\p{Nd}+$/u.test(text),
  isalpha: (text) => /^\p{L}+$/u.test(text),
  isspace: (text) => text !== "" && strip(text, undefined, "both") === "",
  format: (text, args, spend) => {
    const last = args.at(-1);
    const named = last?.type === "KeywordArgumentsValue" && isMap(last) ? last.value : undefined;
    return formatText(text, named === undefined ? args : args.slice(0, -1), named ?? new Map(), spend);
  },
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

/** Tests: `value is name`. */
export const TESTS: Readonly<Record<string, (value: JinjaValue) => boolean>> = {
  number: isNumeric,
  float: ({ type }) => type === "FloatValue",
  iterable: (value) => isText(value) || isList(value) || isMap(value),
};
