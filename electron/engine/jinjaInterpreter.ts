/**
 * Runs a parsed template under a budget of steps' time and of text made, and knows the line it is on. Blocks, `if` and
 * `for` are evaluated here: the library's loops forget what an iteration wrote before `break` or `continue`, and
 * cannot walk a string. Everything else is the library's.
 */
import { Environment, Interpreter, type parse } from "@huggingface/jinja";
import type { TemplateTag } from "./jinjaSource.ts";
import { jinjaFunction, pythonText, toJinja, type JinjaValue } from "./jinjaValues.ts";
import { isJinjaNode, isLookup, type JinjaNode } from "./jinjaPython.ts";

type Program = ReturnType<typeof parse>;

/** The template asked for more time or text than it may have. */
export class BudgetError extends Error {}

/** How much a rendering may use. */
export class Budget {
  readonly #deadline: number;
  readonly #maxMs: number;
  #left: number;
  #steps = 0;

  constructor(maxMs: number, maxMade: number) {
    this.#deadline = performance.now() + maxMs;
    this.#maxMs = maxMs;
    this.#left = maxMade;
  }

  /** One evaluation step; the clock is read every 256. */
  step(): void {
    if ((++this.#steps & 255) === 0 && performance.now() > this.#deadline)
      throw new BudgetError(`it takes longer than ${this.#maxMs} ms`);
  }

  /** `amount` characters, list items or comparisons are about to be made. */
  readonly spend = (amount: number): void => {
    this.step();
    this.#left -= amount;
    if (this.#left < 0) throw new BudgetError("it makes more text than a prompt can hold");
  };
}

class LoopControl extends Error {
  readonly kind: "Break" | "Continue";
  written: string;

  constructor(kind: "Break" | "Continue") {
    super(`${kind.toLowerCase()} outside of a loop`);
    this.kind = kind;
    this.written = "";
  }
}

/** Nested evaluations; real templates stay under 100, the stack holds some thousands. */
const MAX_DEPTH = 600;

/** What the expressions of these types make is new, and counts. */
const MAKING = new Set([
  "BinaryExpression",
  "CallExpression",
  "FilterExpression",
  "ArrayLiteral",
  "TupleLiteral",
  "ObjectLiteral",
]);

/** Looking a value up makes nothing; cutting a part out does. */
function makes(node: JinjaNode): boolean {
  return (
    (MAKING.has(node.type) && !isLookup(node)) ||
    (node.type === "MemberExpression" && (node["property"] as JinjaNode).type === "SliceExpression")
  );
}

function sizeOf({ value }: JinjaValue): number {
  if (typeof value === "string" || Array.isArray(value)) return value.length;
  return value instanceof Map ? value.size : 0;
}

export class BoundedInterpreter extends Interpreter {
  readonly #lines: ReadonlyMap<object, number>;
  readonly #budget: Budget;
  #depth = 0;
  /** The line of the innermost tag being evaluated. */
  line: number | null = null;

  constructor(scope: Environment, lines: ReadonlyMap<object, number>, budget: Budget) {
    super(scope);
    this.#lines = lines;
    this.#budget = budget;
  }

  override evaluate(statement: Program["body"][number] | undefined, scope: Environment): JinjaValue {
    if (statement === undefined) return toJinja(undefined);
    this.#budget.step();
    this.line = this.#lines.get(statement) ?? this.line;
    // The library takes a stack overflow while it looks a name up for an unknown name, so the stack must never overflow.
    if (this.#depth >= MAX_DEPTH) throw new BudgetError("it calls itself too deeply");
    this.#depth++;
    try {
      return this.#value(statement, scope);
    } finally {
      this.#depth--;
    }
  }

  #value(statement: Program["body"][number], scope: Environment): JinjaValue {
    const node = statement as unknown as JinjaNode;
    switch (node.type) {
      case "Program":
        return toJinja(this.#block(node["body"], scope));
      case "If": {
        const holds = this.evaluate(node["test"] as typeof statement, scope).__bool__().value;
        return toJinja(this.#block(holds ? node["body"] : node["alternate"], scope));
      }
      case "For":
        return toJinja(this.#loop(node, scope));
      case "Break":
      case "Continue":
        throw new LoopControl(node.type);
      default: {
        const value = super.evaluate(statement, scope);
        if (makes(node)) this.#budget.spend(sizeOf(value));
        return value;
      }
    }
  }

  #block(statements: unknown, scope: Environment): string {
    let text = "";
    for (const statement of statements as Program["body"]) {
      try {
        const value = this.evaluate(statement, scope);
        if (value.type === "NullValue" || value.type === "UndefinedValue") continue;
        const made = pythonText(value, this.#budget.spend);
        this.#budget.spend(made.length);
        text += made;
      } catch (error) {
        if (error instanceof LoopControl) error.written = text + error.written;
        throw error;
      }
    }
    return text;
  }

  #loop(node: JinjaNode, scope: Environment): string {
    const inner = new Environment(scope);
    const iterable = node["iterable"] as JinjaNode;
    const filtered = iterable.type === "SelectExpression";
    const source = this.evaluate((filtered ? iterable["lhs"] : iterable) as Program["body"][number], inner);
    let items = itemsOf(source);
    if (filtered) {
      items = items.filter((item) => {
        const trial = new Environment(inner);
        bindLoopVariable(node["loopvar"] as JinjaNode, item, trial);
        return this.evaluate(iterable["test"] as Program["body"][number], trial).__bool__().value;
      });
    }
    if (items.length === 0) return this.#block(node["defaultBlock"], inner);
    let text = "";
    for (let i = 0; i < items.length; i++) {
      inner.setVariable("loop", loopVariable(items, i));
      bindLoopVariable(node["loopvar"] as JinjaNode, items[i] as JinjaValue, inner);
      try {
        text += this.#block(node["body"], inner);
      } catch (error) {
        if (!(error instanceof LoopControl)) throw error;
        text += error.written;
        if (error.kind === "Break") break;
      }
    }
    return text;
  }
}

function itemsOf(source: JinjaValue): readonly JinjaValue[] {
  const { value } = source;
  if (Array.isArray(value)) return value as JinjaValue[];
  if (typeof value === "string") return Array.from(value, toJinja);
  if (value instanceof Map && source.type !== "NamespaceValue") return [...value.keys()].map(toJinja);
  if (source.type === "UndefinedValue") return [];
  throw new Error(`a ${source.type.replace("Value", "").toLowerCase()} cannot be looped over`);
}

function loopVariable(items: readonly JinjaValue[], i: number): JinjaValue {
  const loop = toJinja({
    index: i + 1,
    index0: i,
    revindex: items.length - i,
    revindex0: items.length - i - 1,
    first: i === 0,
    last: i === items.length - 1,
    length: items.length,
  });
  const entries = loop.value as Map<string, JinjaValue>;
  entries.set("previtem", items[i - 1] ?? toJinja(undefined));
  entries.set("nextitem", items[i + 1] ?? toJinja(undefined));
  entries.set(
    "cycle",
    jinjaFunction((values) => values[i % Math.max(1, values.length)] ?? toJinja(undefined)),
  );
  return loop;
}

function bindLoopVariable(target: JinjaNode, item: JinjaValue, scope: Environment): void {
  if (target.type === "Identifier") {
    scope.setVariable(target["value"] as string, item);
    return;
  }
  const names = target.type === "TupleLiteral" ? (target["value"] as JinjaNode[]) : [];
  const parts = Array.isArray(item.value) ? (item.value as JinjaValue[]) : [];
  if (names.length === 0 || parts.length !== names.length)
    throw new Error(`${parts.length} value(s) do not fit ${names.length} loop variables`);
  names.forEach((name, i) => bindLoopVariable(name, parts[i] as JinjaValue, scope));
}

/**
 * The line of each statement and printed expression. `units` are the template's texts (null) and tags in order, which
 * is the order of the tree. A tree that does not fit them gives no lines rather than wrong ones.
 */
export function linesOf(program: Program, units: readonly (TemplateTag | null)[]): Map<object, number> {
  const lines = new Map<object, number>();
  let at = 0;
  const block = (statements: unknown): void => {
    for (const child of Array.isArray(statements) ? statements : []) {
      const unit = units[at++];
      if (unit && isJinjaNode(child)) {
        lines.set(child, unit.line);
        inside(child);
      }
    }
  };
  const branches = (node: JinjaNode): void => {
    block(node["body"]);
    const unit = units[at];
    if (unit?.keyword === "elif") {
      at++;
      const next: unknown = (node["alternate"] as unknown[])[0];
      if (!isJinjaNode(next)) return;
      lines.set(next, unit.line);
      branches(next);
    } else if (unit?.keyword === "else") {
      at++;
      block(node[node.type === "For" ? "defaultBlock" : "alternate"]);
    }
  };
  const inside = (node: JinjaNode): void => {
    const isBlock =
      node.type === "Macro" ||
      node.type === "CallStatement" ||
      node.type === "FilterStatement" ||
      (node.type === "Set" && node["value"] === null);
    if (node.type === "If" || node.type === "For") branches(node);
    else if (isBlock) block(node["body"]);
    else return;
    at++;
  };
  block(program.body);
  return at === units.length ? lines : new Map();
}
