/**
 * Turns a conversation into a prompt by the Jinja template that a model brings, byte for byte as transformers does.
 * The template is hostile until proven otherwise: it sees the variables listed at `TemplateInput` and nothing else, and
 * has a limit on time, on the text it makes on the way, and on the prompt. It never changes its input.
 */
import { createContext, Script } from "node:vm";
import { Environment, parse, tokenize } from "@huggingface/jinja";
import { BoundedInterpreter, Budget, BudgetError, linesOf } from "./jinjaInterpreter.ts";
import { declarePythonFunctions, rewriteForPython, type JinjaNode } from "./jinjaPython.ts";
import { prepareSource, type PreparedSource, type TemplateTag } from "./jinjaSource.ts";
import { jinjaFunction, pythonText, toJinja, type JinjaValue } from "./jinjaValues.ts";
import { strftime } from "./strftime.ts";

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue | undefined };

export interface TemplateMessage {
  readonly role: string;
  readonly content: JsonValue;
  readonly [key: string]: JsonValue | undefined;
}

/** All that a template can see, besides `range`, `namespace`, `raise_exception` and `strftime_now`. */
export interface TemplateInput {
  readonly messages: readonly TemplateMessage[];
  /** End the prompt with the beginning of the assistant's turn. */
  readonly addGenerationPrompt: boolean;
  readonly bosToken: string;
  readonly eosToken: string;
  readonly tools?: readonly JsonValue[];
  /** What `strftime_now` tells, in local time. */
  readonly now: Date;
  /** More variables, such as `enable_thinking`; names already taken are refused. */
  readonly extra?: Readonly<Record<string, JsonValue>>;
}

export interface TemplateLimits {
  /** UTF-16 units of the prompt. */
  readonly maxOutput: number;
  /** Milliseconds for compiling, and again for each rendering. */
  readonly maxMs: number;
}

export const DEFAULT_TEMPLATE_LIMITS: TemplateLimits = { maxOutput: 4 << 20, maxMs: 2000 };
const MAX_SOURCE = 1 << 18;
/** Text, items and comparisons made on the way, over maxOutput: templates copy the conversation a few times. */
const MADE_PER_OUTPUT = 32;
/** What Jinja's own sandbox allows. */
const MAX_RANGE = 100_000;
const MAX_DEPTH = 64;

export type RenderTemplate = (input: TemplateInput) => string;

/** A template that cannot be used; the message is for the user, `line` (from 1) is where, as far as it is known. */
export class ChatTemplateError extends Error {
  override readonly name = "ChatTemplateError";
  readonly line: number | null;

  constructor(reason: string, line: number | null, options?: ErrorOptions) {
    const place = line === null ? "" : ` on line ${line}`;
    super(
      `The model's chat template fails${place}: ${reason.trim().replace(/\.$/, "").slice(0, 400)}; a built-in template can be chosen instead.`,
      options,
    );
    this.line = line;
  }
}

const sandbox = createContext({ task: (): void => {} });
const runTask = new Script("task()");

/**
 * Runs `task` to its end or for little more than `maxMs`, whatever it does: V8 stops it even inside one long built-in
 * loop or regular expression. The grace lets the interpreter's own clock, which knows the line, speak first.
 */
function withinTime<T>(maxMs: number, task: () => T): T {
  sandbox["task"] = task;
  try {
    return runTask.runInContext(sandbox, { timeout: maxMs + 100 }) as T;
  } catch (error) {
    // The timeout's error belongs to the sandbox, so it is no `instanceof Error` here.
    const timedOut =
      typeof error === "object" && error !== null && "code" in error && error.code === "ERR_SCRIPT_EXECUTION_TIMEOUT";
    throw timedOut ? new BudgetError(`it takes longer than ${maxMs} ms`) : error;
  } finally {
    sandbox["task"] = undefined;
  }
}

function failure(error: unknown, line: number | null): ChatTemplateError {
  if (error instanceof ChatTemplateError) return error;
  const tooDeep = error instanceof RangeError && error.message.includes("call stack");
  const reason = tooDeep ? "it is nested too deeply" : error instanceof Error ? error.message : String(error);
  return new ChatTemplateError(reason, line, { cause: error });
}

/** Compiles a template once, to be rendered many times. Throws ChatTemplateError. */
export function compileChatTemplate(source: string, limits: TemplateLimits = DEFAULT_TEMPLATE_LIMITS): RenderTemplate {
  if (source.length > MAX_SOURCE)
    throw new ChatTemplateError(`it is ${source.length} characters long, and ${MAX_SOURCE} are accepted`, null);
  const compiled = compile(source, limits.maxMs);
  return (input) => render(compiled, input, limits);
}

interface Compiled {
  readonly program: ReturnType<typeof parse>;
  readonly lines: ReadonlyMap<object, number>;
}

function compile(source: string, maxMs: number): Compiled {
  let line: number | null = null;
  try {
    return withinTime(maxMs, () => {
      const prepared = prepareSource(source);
      const tokens = tokenizeKnowingLine(prepared, (found) => (line = found));
      const units = unitsOf(tokens, prepared.tags);
      let furthest = 0;
      const watched = new Proxy(tokens, {
        get(target, key, receiver): unknown {
          if (typeof key === "string" && key !== "length") furthest = Math.max(furthest, Number(key) || 0);
          return Reflect.get(target, key, receiver);
        },
      });
      line = null;
      try {
        const program = parse(watched);
        rewriteForPython(program as unknown as JinjaNode);
        return { program, lines: linesOf(program, units) };
      } catch (error) {
        line = unitsOf(tokens.slice(0, furthest + 1), prepared.tags).findLast((unit) => unit !== null)?.line ?? null;
        throw isEndOfTokens(error, furthest, tokens.length)
          ? new Error("it ends inside a block that is not closed", { cause: error })
          : error;
      }
    });
  } catch (error) {
    throw failure(error, line);
  }
}

/** The parser runs off the end of its tokens when a block is not closed, with a JavaScript message. */
function isEndOfTokens(error: unknown, furthest: number, count: number): boolean {
  return error instanceof TypeError && furthest >= count - 1;
}

type Tokens = ReturnType<typeof tokenize>;

function tokenizeKnowingLine({ source, tags }: PreparedSource, report: (line: number | null) => void): Tokens {
  try {
    return tokenize(source);
  } catch (error) {
    // The library does not say where; the first tag up to which the source cannot be cut into tokens is the place.
    let low = 0;
    let high = tags.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (canTokenize(source.slice(0, tags[middle]?.end))) low = middle + 1;
      else high = middle;
    }
    report(tags[low]?.line ?? null);
    throw error;
  }
}

function canTokenize(source: string): boolean {
  try {
    tokenize(source);
    return true;
  } catch {
    return false;
  }
}

/** The texts (null) and tags of a template in order. */
function unitsOf(tokens: Tokens, tags: readonly TemplateTag[]): (TemplateTag | null)[] {
  const units: (TemplateTag | null)[] = [];
  let next = 0;
  for (const { type } of tokens) {
    if (type === "Text") units.push(null);
    else if (type === "OpenStatement" || type === "OpenExpression" || type === "Comment")
      units.push(tags[next++] ?? null);
  }
  return units;
}

function render({ program, lines }: Compiled, input: TemplateInput, limits: TemplateLimits): string {
  const budget = new Budget(limits.maxMs, limits.maxOutput * MADE_PER_OUTPUT);
  const scope = new Environment();
  const interpreter = new BoundedInterpreter(scope, lines, budget);
  try {
    return withinTime(limits.maxMs, () => {
      declareVariables(scope, input, budget);
      const text = String(interpreter.run(program).value);
      if (text.length > limits.maxOutput)
        throw new BudgetError(`its prompt is ${text.length} characters long, and ${limits.maxOutput} are accepted`);
      return text;
    });
  } catch (error) {
    throw failure(error, interpreter.line);
  }
}

function declareVariables(scope: Environment, input: TemplateInput, budget: Budget): void {
  declarePythonFunctions(scope, budget.spend);
  const given: Record<string, JsonValue> = {
    true: true,
    True: true,
    false: false,
    False: false,
    none: null,
    None: null,
    messages: input.messages,
    add_generation_prompt: input.addGenerationPrompt,
    bos_token: input.bosToken,
    eos_token: input.eosToken,
    // transformers passes None for what the caller leaves out.
    tools: input.tools ?? null,
    documents: null,
  };
  for (const [name, value] of Object.entries(given)) {
    checkPlain(value, name, 0);
    scope.set(name, value);
  }
  scope.setVariable(
    "raise_exception",
    jinjaFunction(([message]) => {
      throw new Error(message === undefined ? "it refuses this conversation" : pythonText(message, budget.spend));
    }),
  );
  scope.set("strftime_now", (format: unknown) => strftime(input.now, String(format)));
  scope.setVariable(
    "range",
    jinjaFunction((args) => range(args, budget)),
  );
  for (const [name, value] of Object.entries(input.extra ?? {})) {
    checkPlain(value, name, 0);
    if (scope.variables.has(name)) throw new Error(`its variable "${name}" is already taken`);
    scope.set(name, value);
  }
}

/** What goes in is data: no functions, no cycles, no depth that would overflow the stack. */
function checkPlain(value: unknown, name: string, depth: number): void {
  if (depth > MAX_DEPTH) throw new Error(`its variable "${name}" is nested more than ${MAX_DEPTH} deep`);
  if (typeof value === "function" || typeof value === "symbol" || typeof value === "bigint")
    throw new Error(`its variable "${name}" holds a ${typeof value}`);
  if (typeof value !== "object" || value === null) return;
  for (const item of Object.values(value)) checkPlain(item, name, depth + 1);
}

function range(args: readonly JinjaValue[], budget: Budget): JinjaValue {
  const numbers = args.map(({ type, value }) => {
    if (type !== "IntegerValue") throw new Error("range needs whole numbers");
    return value as number;
  });
  const [start, stop, step] =
    numbers.length === 1 ? [0, numbers[0] as number, 1] : [numbers[0] ?? 0, numbers[1] ?? 0, numbers[2] ?? 1];
  const count = step === 0 ? Number.POSITIVE_INFINITY : Math.max(0, Math.ceil((stop - start) / step));
  if (!(count <= MAX_RANGE)) throw new BudgetError(`its range has ${count} numbers, and ${MAX_RANGE} are accepted`);
  budget.spend(count);
  return toJinja(Array.from({ length: count }, (_, i) => start + i * step));
}
