// Pure: templates to JSON and back. A file from elsewhere is checked whole before anything of it is used; ids and versions
// do not travel, because they mean something only in the database that gave them.
import { z } from "zod";
import { AppError } from "../contract/errors.ts";
import { type TemplateContent, templateContentSchema } from "../contract/templates.ts";
import { problemsOf } from "./applying.ts";

const format = "conclave-templates";
const maxTemplates = 1000;

const fileSchema = z.object({
  format: z.literal(format),
  version: z.literal(1),
  templates: z.array(templateContentSchema).min(1).max(maxTemplates),
});

export function toExchange(contents: readonly TemplateContent[]): string {
  return `${JSON.stringify({ format, version: 1, templates: contents }, null, 2)}\n`;
}

/** @throws AppError 'bad-file' that names the first thing wrong. */
export function fromExchange(json: string): TemplateContent[] {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new AppError("bad-file", "The file is not JSON, so there are no templates in it; choose an exported file.");
  }
  const parsed = fileSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = issue === undefined || issue.path.length === 0 ? "its outline" : issue.path.map(String).join(".");
    throw new AppError(
      "bad-file",
      `The file holds no templates that can be used: ${where} is wrong (${issue?.message ?? "unknown"}). Nothing was imported.`,
    );
  }
  for (const content of parsed.data.templates) {
    const [problem] = problemsOf(content);
    if (problem !== undefined)
      throw new AppError("bad-file", `The template “${content.name}” cannot be used: ${problem} Nothing was imported.`);
  }
  return parsed.data.templates;
}

/** The slug itself, or with the first number that makes it free. */
export function freeSlug(slug: string, taken: (slug: string) => boolean): string {
  if (!taken(slug)) return slug;
  for (let n = 2; ; n += 1) {
    const numbered = `${slug.slice(0, 36)}-${n}`;
    if (!taken(numbered)) return numbered;
  }
}
