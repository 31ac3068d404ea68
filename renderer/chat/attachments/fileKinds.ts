// What a file is, by its name: which files are code and in which language. The language is what a code block of it would be
// called, so it is also what highlights it.
import type { Attachment } from "../../../electron/contract/attachments.ts";

const codeLanguages: Readonly<Record<string, string>> = {
  bash: "bash",
  c: "c",
  cc: "cpp",
  cjs: "js",
  cpp: "cpp",
  cs: "csharp",
  css: "css",
  cts: "ts",
  cu: "cpp",
  cxx: "cpp",
  dart: "dart",
  dockerfile: "dockerfile",
  ex: "elixir",
  exs: "elixir",
  fish: "fish",
  go: "go",
  h: "c",
  hpp: "cpp",
  hs: "haskell",
  html: "html",
  ini: "ini",
  ipynb: "json",
  java: "java",
  jl: "julia",
  js: "js",
  json: "json",
  jsonl: "json",
  jsx: "jsx",
  kt: "kotlin",
  less: "less",
  lua: "lua",
  m: "objective-c",
  makefile: "make",
  mjs: "js",
  mm: "objective-c",
  mts: "ts",
  php: "php",
  pl: "perl",
  ps1: "powershell",
  py: "python",
  r: "r",
  rb: "ruby",
  rs: "rust",
  scala: "scala",
  scss: "scss",
  sh: "bash",
  sql: "sql",
  svelte: "svelte",
  svg: "xml",
  swift: "swift",
  tex: "latex",
  toml: "toml",
  ts: "ts",
  tsx: "tsx",
  vue: "vue",
  xml: "xml",
  yaml: "yaml",
  yml: "yaml",
  zig: "zig",
  zsh: "bash",
};

export interface FileKind {
  readonly kind: Exclude<Attachment["kind"], "pdf">;
  readonly language: string;
}

/** Of a file that holds text. */
export function kindOfName(name: string): FileKind {
  // "Makefile" and "Dockerfile" are all extension.
  const extension = name.toLowerCase().split(".").at(-1) ?? "";
  if (extension === "md" || extension === "markdown") return { kind: "markdown", language: "md" };
  if (extension === "csv" || extension === "tsv") return { kind: "csv", language: "csv" };
  const language = codeLanguages[extension];
  return language === undefined ? { kind: "text", language: "" } : { kind: "code", language };
}

/** What the system's file dialog offers first; anything else that is text may be chosen too. */
export const acceptedFiles = [
  ".txt,.md,.markdown,.csv,.tsv,.log,.pdf,text/*,application/pdf,application/json",
  ...Object.keys(codeLanguages).map((extension) => `.${extension}`),
].join(",");
