/**
 * Finds literal strings (control tokens such as `<|im_start|>`) in a text: at each place the longest one, left to right.
 * Linear in the text for vocabularies as they are; knows nothing of tokens but their text and id.
 */

interface TrieNode {
  readonly next: Map<string, TrieNode>;
  id: number | null;
}

/** A stretch of plain text, or the id of a literal. */
export type Section = string | number;

export class LiteralSplitter {
  readonly #root: TrieNode = { next: new Map(), id: null };

  /** `literals`: text -> id; empty texts are ignored. */
  constructor(literals: Iterable<readonly [string, number]>) {
    for (const [text, id] of literals) {
      if (text === "") continue;
      let node = this.#root;
      for (let i = 0; i < text.length; i++) {
        const unit = text[i] as string;
        let next = node.next.get(unit);
        if (next === undefined) {
          next = { next: new Map(), id: null };
          node.next.set(unit, next);
        }
        node = next;
      }
      node.id ??= id;
    }
  }

  /** The sections in order; joined again they are the text. No section is empty. */
  split(text: string): Section[] {
    if (this.#root.next.size === 0) return text === "" ? [] : [text];
    const sections: Section[] = [];
    let start = 0;
    for (let i = 0; i < text.length;) {
      const found = this.#longestAt(text, i);
      if (found === null) {
        i++;
        continue;
      }
      if (i > start) sections.push(text.slice(start, i));
      sections.push(found.id);
      i += found.length;
      start = i;
    }
    if (start < text.length) sections.push(text.slice(start));
    return sections;
  }

  #longestAt(text: string, at: number): { id: number; length: number } | null {
    let found: { id: number; length: number } | null = null;
    let node = this.#root.next.get(text[at] as string);
    for (let i = at + 1; node !== undefined; i++) {
      if (node.id !== null) found = { id: node.id, length: i - at };
      node = i < text.length ? node.next.get(text[i] as string) : undefined;
    }
    return found;
  }
}
