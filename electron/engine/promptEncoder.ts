// A conversation to the tokens of a prompt: renders the chat template and encodes the text. Owns the rule that control
// tokens come from the template alone: a message that spells one out is read as the letters it consists of.
import type { ChatTurn } from "./engineApi.ts";
import type { RenderTemplate } from "./chatTemplate.ts";
import type { Tokenizer } from "./tokenizer.ts";

// Noncharacters of Unicode: they carry no meaning outside this process, and are taken out of messages before use.
const open = "\uFDD0";
const close = "\uFDD1";
const marks = /[\uFDD0\uFDD1]/gu;
const guarded = /\uFDD0([^\uFDD0\uFDD1]*)\uFDD1/u;

const escapePattern = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/gu, "\\$&");

/** Matches every control token as it is spelt, longest first; null when the vocabulary has none. */
function controlTokens(tokenizer: Tokenizer): RegExp | null {
  const spelt: string[] = [];
  for (let id = 0; id < tokenizer.vocabSize; id++) {
    if (tokenizer.isControl(id)) spelt.push(tokenizer.tokenText(id));
  }
  const literals = spelt.filter((text) => text !== "").toSorted((a, b) => b.length - a.length);
  if (literals.length === 0) return null;
  return new RegExp(literals.map(escapePattern).join("|"), "gu");
}

export class PromptEncoder {
  readonly #tokenizer: Tokenizer;
  readonly #render: RenderTemplate;
  readonly #control: RegExp | null;

  constructor(tokenizer: Tokenizer, render: RenderTemplate) {
    this.#tokenizer = tokenizer;
    this.#render = render;
    this.#control = controlTokens(tokenizer);
  }

  /**
   * Token ids of the whole prompt, up to the beginning of the assistant's turn and through `answerStart`, the words that
   * turn already has. Throws ChatTemplateError.
   */
  encode(turns: readonly ChatTurn[], now: Date, answerStart = ""): Uint32Array {
    const { bos, eos, addBos } = this.#tokenizer;
    const text = this.#render({
      messages: turns.map(({ role, content }) => ({ role, content: this.#guard(content) })),
      addGenerationPrompt: true,
      bosToken: this.#spelling(bos),
      eosToken: this.#spelling(eos),
      now,
    });
    const ids = this.#encodeGuarded(text + this.#guard(answerStart));
    if (addBos && bos !== null && ids[0] !== bos) ids.unshift(bos);
    return Uint32Array.from(ids);
  }

  #spelling(id: number | null): string {
    return id === null ? "" : this.#tokenizer.tokenText(id);
  }

  #guard(content: string): string {
    const clean = content.replace(marks, "");
    return this.#control === null ? clean : clean.replace(this.#control, (token) => `${open}${token}${close}`);
  }

  #encodeGuarded(text: string): number[] {
    const ids: number[] = [];
    // Splitting by a pattern with one group alternates: template text, guarded token, template text, ...
    for (const [index, section] of text.split(guarded).entries()) {
      if (section === "") continue;
      for (const id of this.#tokenizer.encode(section, { special: index % 2 === 0 })) ids.push(id);
    }
    return ids;
  }
}
