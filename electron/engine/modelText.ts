// What a model file says about text: its tokenizer, its chat template, what ends an answer. Reads a tokenizer.json beside
// the file when the file has no vocabulary of its own.
import { readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { AppError } from "../contract/errors.ts";
import { builtInTemplate } from "./builtInTemplates.ts";
import { compileChatTemplate, type RenderTemplate } from "./chatTemplate.ts";
import type { LoadRequest } from "./engineApi.ts";
import { stringAt, type GgufMetadata } from "./ggufMetadata.ts";
import { PromptEncoder } from "./promptEncoder.ts";
import { createTokenizer, createTokenizerFromJson, type Tokenizer } from "./tokenizer.ts";

/** Larger than any published tokenizer.json; what is larger is not one. */
const maxTokenizerBytes = 128 << 20;

/** Texts that end an answer besides the end tokens: a model made for another form writes them out as letters. */
const stopsOfForm: Readonly<Record<string, readonly string[]>> = {
  chatml: ["<|im_end|>"],
  plain: ["\nUser:", "\nSystem:"],
};

export interface ModelText {
  readonly tokenizer: Tokenizer;
  readonly encoder: PromptEncoder;
  readonly stops: readonly string[];
}

function tokenizerBeside(path: string, metadata: GgufMetadata): Tokenizer {
  const file = join(dirname(path), "tokenizer.json");
  let text: string;
  try {
    const { size } = statSync(file);
    if (size > maxTokenizerBytes)
      throw new Error(`it is ${size} bytes long, more than the ${maxTokenizerBytes} that are accepted`);
    text = readFileSync(file, "utf8");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new AppError(
      "bad-file",
      `The model file has no tokenizer, and ${file} cannot be read (${reason}); put the model's tokenizer.json beside the file.`,
    );
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new AppError("bad-file", `${file} is not JSON; download the model's tokenizer.json again.`);
  }
  return createTokenizerFromJson(json, {}, metadata);
}

/** The built-in form of that name; it is one of ours, so it is there and compiles. */
function builtInForm(name: string): RenderTemplate {
  const template = builtInTemplate(name);
  if (template === undefined) throw new AppError("internal", `There is no built-in chat template "${name}".`);
  return compileChatTemplate(template.source);
}

/** A template that cannot be used fails the runs, not the load: the user then chooses a built-in form. */
function compileLater(source: string): RenderTemplate {
  let compiled: RenderTemplate | null = null;
  return (input) => (compiled ??= compileChatTemplate(source))(input);
}

/** `path` is the model's, for a tokenizer.json beside it. Throws MetadataError, TokenizerError or AppError. */
export function readModelText(path: string, metadata: GgufMetadata, form: LoadRequest["chatTemplate"]): ModelText {
  const hasVocabulary = stringAt(metadata, "tokenizer.ggml.model") !== undefined;
  const tokenizer = hasVocabulary ? createTokenizer(metadata) : tokenizerBeside(path, metadata);
  const own = form === "model" ? stringAt(metadata, "tokenizer.chat_template") : undefined;
  if (own !== undefined) return { tokenizer, encoder: new PromptEncoder(tokenizer, compileLater(own)), stops: [] };
  const knowsChatml = tokenizer.encode("<|im_start|>", { special: true }).length === 1;
  const chosen = form === "model" ? (knowsChatml ? "chatml" : "plain") : form;
  return { tokenizer, encoder: new PromptEncoder(tokenizer, builtInForm(chosen)), stops: stopsOfForm[chosen] ?? [] };
}
