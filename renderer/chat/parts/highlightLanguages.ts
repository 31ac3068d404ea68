// Pure: which languages are coloured, under which names models call them, and what the page and its worker say to each other.

export const tokenKinds = [
  "comment",
  "keyword",
  "string",
  "string-expression",
  "constant",
  "function",
  "parameter",
  "link",
  "inserted",
  "deleted",
] as const;
export type TokenKind = (typeof tokenKinds)[number];

const names = {
  bash: ["sh", "shell", "zsh", "console", "shellscript"],
  c: ["h"],
  cpp: ["c++", "cc", "cxx", "hpp", "cuda", "cu"],
  csharp: ["c#", "cs"],
  css: ["scss", "less"],
  diff: ["patch"],
  docker: ["dockerfile"],
  go: ["golang"],
  haskell: ["hs"],
  html: ["htm", "svelte", "vue"],
  ini: ["conf", "properties"],
  java: [],
  javascript: ["js", "mjs", "cjs", "node"],
  json: ["jsonc", "json5", "jsonl"],
  jsx: [],
  kotlin: ["kt"],
  lua: [],
  make: ["makefile"],
  markdown: ["md"],
  php: [],
  powershell: ["ps1", "pwsh"],
  python: ["py", "python3"],
  r: [],
  ruby: ["rb"],
  rust: ["rs"],
  scala: [],
  sql: ["sqlite", "postgresql", "mysql"],
  swift: [],
  toml: [],
  tsx: [],
  typescript: ["ts", "mts", "cts"],
  xml: ["svg"],
  yaml: ["yml"],
} as const;
export type HighlightLanguage = keyof typeof names;

const byName = new Map<string, HighlightLanguage>(
  // Object.entries forgets that the keys are the languages.
  (Object.entries(names) as [HighlightLanguage, readonly string[]][]).flatMap(([language, others]) =>
    [language, ...others].map((name): [string, HighlightLanguage] => [name, language]),
  ),
);

/** @param name as it stands behind the fence; null: not one that is coloured. */
export const highlightLanguage = (name: string): HighlightLanguage | null => byName.get(name.toLowerCase()) ?? null;

export interface HighlightQuestion {
  readonly id: number;
  readonly code: string;
  readonly language: HighlightLanguage;
}
export interface HighlightAnswer {
  readonly id: number;
  /** Triples: begin, end, index into `tokenKinds`. */
  readonly tokens: Uint32Array<ArrayBuffer>;
}
