// Pure: from a template's content and the user's values to the turns that begin a conversation; and what is wrong with
// either, in sentences.
import type { TemplateValues } from "../contract/chat.ts";
import type { TemplateContent, TemplateVariable } from "../contract/templates.ts";
import type { ChatTurn } from "../engine/engineApi.ts";
import { firstVariable, isBuiltIn, namesIn, renderPrefix } from "./prefixText.ts";

const textsOf = (content: TemplateContent): string[] => [
  content.system,
  ...content.examples.map((turn) => turn.content),
];

export const namesUsed = (content: TemplateContent): string[] => namesIn(textsOf(content));

export function undeclaredIn(content: TemplateContent): string[] {
  const declared = content.variables.map((variable) => variable.name);
  return namesUsed(content).filter((name) => !isBuiltIn(name) && !declared.includes(name));
}

/** What keeps a template from being saved. */
export function problemsOf(content: TemplateContent): string[] {
  const problems: string[] = [];
  const declared = content.variables.map((variable) => variable.name);
  for (const name of new Set(declared.filter((each, index) => declared.indexOf(each) !== index)))
    problems.push(`The variable “${name}” is declared twice; rename one of them.`);
  for (const variable of content.variables) {
    const { name, type, choices } = variable;
    if (isBuiltIn(name)) problems.push(`“${name}” is filled in by the app; give the variable another name.`);
    if (type === "choice" && choices.length === 0) problems.push(`“${name}” offers no choice; add at least one.`);
    if (type !== "choice" && choices.length > 0) problems.push(`“${name}” has choices but is no choice.`);
    const wrong = variable.default === "" ? null : problemWith(variable, variable.default);
    if (wrong !== null) problems.push(`The default of “${name}” is no good: ${wrong}`);
  }
  for (const name of undeclaredIn(content))
    problems.push(`The text uses {{${name}}}, which is not declared; add the variable or correct the name.`);
  if (content.system.trim() === "" && content.examples.length === 0)
    problems.push("There is nothing to begin with: write a system text or an example.");
  if (content.examples.some((turn, index) => turn.role !== (index % 2 === 0 ? "user" : "assistant")))
    problems.push("Examples must alternate, beginning with the user, or many models refuse them.");
  else if (content.examples.length % 2 === 1) problems.push("The last example has no answer; add one or remove it.");
  return problems;
}

/** One sentence, or null when `value` fits. '' always fits: whether it may be empty is another question. */
function problemWith({ type, choices }: TemplateVariable, value: string): string | null {
  if (value === "") return null;
  switch (type) {
    case "number":
      return Number.isFinite(Number(value)) && value.trim() !== "" ? null : "It must be a number.";
    case "choice":
      return choices.includes(value) ? null : `It must be one of: ${choices.join(", ")}.`;
    case "date":
      return isDate(value) ? null : "It must be a date such as 2026-11-21.";
    case "text":
      return /[\r\n]/u.test(value) ? "It must be a single line." : null;
    case "multiline":
      return null;
  }
}

function isDate(value: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/u.test(value)) return false;
  const time = Date.parse(`${value}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(value);
}

/** Defaults where nothing was given; names that the content does not use are left out. */
export function withDefaults(content: TemplateContent, values: TemplateValues): TemplateValues {
  const given = (name: string): string | undefined => (Object.hasOwn(values, name) ? values[name] : undefined);
  const entries = content.variables.map(({ name, default: usual }) => [name, given(name) ?? usual]);
  for (const name of namesUsed(content)) {
    const value = given(name);
    if (isBuiltIn(name) && value !== undefined) entries.push([name, value]);
  }
  return Object.fromEntries(entries) as TemplateValues;
}

/** By variable: what is wrong with its value. Empty: the template can be used. */
export function missingIn(content: TemplateContent, values: TemplateValues): Record<string, string> {
  const complete = withDefaults(content, values);
  const found = content.variables.flatMap((variable): [string, string][] => {
    const value = complete[variable.name] ?? "";
    if (value === "") return variable.required ? [[variable.name, "It must be filled in."]] : [];
    const problem = problemWith(variable, value);
    return problem === null ? [] : [[variable.name, problem]];
  });
  return Object.fromEntries(found);
}

export interface Prefix {
  readonly system: string;
  readonly examples: readonly ChatTurn[];
}

/** What the model gets. A name without a value stays as it is written, so that a preview shows what is open. */
export function prefixOf(content: TemplateContent, values: TemplateValues): Prefix {
  const fill = (text: string): string =>
    renderPrefix(text, (name) => (Object.hasOwn(values, name) ? values[name] : undefined));
  return {
    system: fill(content.system),
    examples: content.examples.map(({ role, content: text }) => ({ role, content: fill(text) })),
  };
}

/**
 * Two conversations that agree in exactly what no value changes: what their prompts have in common, as tokens, is the
 * part that can be computed ahead. The values share no letter, so no token reaches across the first difference.
 */
export function warmVariants(content: TemplateContent): [ChatTurn[], ChatTurn[]] {
  const names = [...new Set([...namesUsed(content), ...content.variables.map((variable) => variable.name)])];
  const variant = (value: string): ChatTurn[] => {
    const { system, examples } = prefixOf(content, Object.fromEntries(names.map((name) => [name, value])));
    const head: ChatTurn[] = system.trim() === "" ? [] : [{ role: "system", content: system }];
    return [...head, ...examples, { role: "user", content: value }];
  };
  return [variant("A"), variant("7")];
}

/** Where the first variable stands; null: there is none, all of it is warm. */
export function warmEndOf(content: TemplateContent): { part: "system" | "examples"; offset: number } | null {
  const inSystem = firstVariable(content.system);
  if (inSystem !== null) return { part: "system", offset: inSystem };
  const example = content.examples.findIndex((turn) => firstVariable(turn.content) !== null);
  return example < 0 ? null : { part: "examples", offset: example };
}
