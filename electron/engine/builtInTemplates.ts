/**
 * Chat templates to fall back on when a model brings none, or one that fails. Each writes only roles and content, so it
 * works with any conversation; which one fits a model is the user's choice.
 */

export interface BuiltInTemplate {
  readonly name: string;
  /** For a list of choices: what models it fits. */
  readonly description: string;
  readonly source: string;
}

const TEMPLATES: readonly BuiltInTemplate[] = [
  {
    name: "chatml",
    description: "ChatML (<|im_start|>): Qwen, Hermes and most fine-tuned models",
    source: `{% for message in messages %}{{ '<|im_start|>' ~ message.role ~ '\\n' ~ message.content ~ '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}`,
  },
  {
    name: "llama-2",
    description: "[INST] blocks: Mixtral and Llama 2",
    source: `{{ bos_token }}{% set ns = namespace(system='') %}{% for message in messages %}{% if message.role == 'system' %}{% set ns.system = message.content ~ '\\n\\n' %}{% elif message.role == 'user' %}{{ '[INST] ' ~ ns.system ~ message.content ~ ' [/INST]' }}{% set ns.system = '' %}{% else %}{{ ' ' ~ message.content ~ eos_token }}{% endif %}{% endfor %}`,
  },
  {
    name: "roles",
    description: "<|user|> and <|assistant|> lines: OLMoE, Zephyr and the embedded model",
    source: `{{ bos_token }}{% for message in messages %}{{ '<|' ~ message.role ~ '|>\\n' ~ message.content }}{% if message.role == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}`,
  },
  {
    name: "plain",
    description: "Plain text with names before each turn: base models",
    source: `{% for message in messages %}{{ (message.role | capitalize) ~ ': ' ~ message.content ~ '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}`,
  },
];

export function builtInTemplateNames(): readonly string[] {
  return TEMPLATES.map(({ name }) => name);
}

/** The template of that name; undefined when there is none. */
export function builtInTemplate(name: string): BuiltInTemplate | undefined {
  return TEMPLATES.find((template) => template.name === name);
}
