/**
 * Gives a parsed template Python's answers where @huggingface/jinja has others. The library has no hooks for filters,
 * methods or operators, so the tree is rewritten: `a == b`, `s.strip("x")`, `v | join` and `{{ v }}` become calls of our
 * own functions, under names that no template can spell. What is not in the tables stays the library's.
 */
import { parse, tokenize, type Environment } from "@huggingface/jinja";
import { FILTERS, METHODS, TESTS, type PythonFunction } from "./jinjaFunctions.ts";
import { itemOf, OPERATORS } from "./jinjaOperators.ts";
import { isMap, isText, jinjaFunction, pythonText, toJinja, type JinjaValue, type Spend } from "./jinjaValues.ts";

export type JinjaNode = { type: string } & Record<string, unknown>;

// Names with a space or a sign: the lexer makes no identifier of them, so a template can neither call nor hide them.
const OUTPUT = " output";
const ITEM = " item";
const operatorName = (name: string): string => ` ${name}`;
const testName = (name: string): string => ` is ${name}`;
const filterName = (name: string): string => `|${name}`;
const methodName = (name: string): string => `.${name}`;

/** A mapping's methods, which in Python go before its keys: a JSON schema has a key "items", and `schema.items()` is a call. */
const MAPPING_METHODS: ReadonlySet<string> = new Set(["get", "items", "keys", "values"]);

function callMethod(name: string, args: readonly JinjaValue[], spend: Spend, scope: Environment): JinjaValue {
  const [receiver, ...rest] = args;
  if (isText(receiver)) {
    const method = Object.hasOwn(METHODS, name) ? METHODS[name] : undefined;
    if (method !== undefined) return toJinja(method(receiver.value, rest, spend));
  }
  const isHolder = isMap(receiver) || receiver?.type === "NamespaceValue";
  const own = isHolder ? (receiver.value as ReadonlyMap<string, JinjaValue>).get(name) : undefined;
  const builtIn = receiver?.builtins.get(name);
  const found = MAPPING_METHODS.has(name) ? (builtIn ?? own) : (own ?? builtIn);
  if (found?.type !== "FunctionValue") throw new Error(`${receiver?.type ?? "nothing"} has no method '${name}'`);
  return (found.value as (args: readonly JinjaValue[], scope: Environment) => JinjaValue)(rest, scope);
}

/** `dict(a=1)`: the keyword arguments as a mapping. */
function toJinjaMap(entries: JinjaValue | undefined): JinjaValue {
  const made = toJinja({});
  if (isMap(entries)) for (const [key, value] of entries.value) (made.value as Map<string, JinjaValue>).set(key, value);
  return made;
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
  for (const [name, compute] of Object.entries(OPERATORS)) {
    declare(operatorName(name), ([left, right]) => compute(left as JinjaValue, right as JinjaValue, spend));
  }
  for (const [name, test] of Object.entries(TESTS)) {
    declare(testName(name), ([value, negate]) => toJinja(test(value as JinjaValue) !== (negate?.value === true)));
  }
  declare(ITEM, ([holder, key]) => itemOf(holder as JinjaValue, key as JinjaValue));
  declare("dict", ([entries]) => toJinjaMap(entries));
  for (const name of [...Object.keys(METHODS), ...MAPPING_METHODS])
    declare(methodName(name), (args) => callMethod(name, args, spend, scope));
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

/** Whether a rewritten call only looks something up. */
export function isLookup(node: JinjaNode): boolean {
  return node.type === "CallExpression" && asNode(node["callee"])["value"] === ITEM;
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
    } else if (isJinjaNode(value) && key !== "operator" && key !== "assignee") {
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
  if (node.type === "TestExpression") {
    const name = asNode(node["test"])["value"];
    if (typeof name !== "string" || !Object.hasOwn(TESTS, name)) return node;
    return call(testName(name), [node["operand"], new Identifier(node["negate"] === true ? "true" : "false")]);
  }
  if (
    node.type === "MemberExpression" &&
    node["computed"] === true &&
    asNode(node["property"]).type !== "SliceExpression"
  ) {
    return call(ITEM, [node["object"], node["property"]]);
  }
  if (node.type === "CallExpression") {
    const callee = asNode(node["callee"]);
    const name =
      callee.type === "MemberExpression" && callee["computed"] !== true
        ? asNode(callee["property"])["value"]
        : undefined;
    if (typeof name === "string" && (Object.hasOwn(METHODS, name) || MAPPING_METHODS.has(name)))
      return call(methodName(name), [callee["object"], ...(node["args"] as unknown[])]);
  }
  return node;
}
