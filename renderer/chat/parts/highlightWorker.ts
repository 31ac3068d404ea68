// Cuts code into tokens, off the page's thread. Shiki's JavaScript engine needs neither WebAssembly nor eval, which the
// content security policy refuses. Languages are read when they are first asked for. Answers are triples of numbers: where
// a token begins, where it ends, and which of `tokenKinds` it is.
import { createCssVariablesTheme, createHighlighterCore, type HighlighterCore, type LanguageInput } from "shiki/core";
import { createJavaScriptRegexEngine } from "shiki/engine/javascript";
import {
  tokenKinds,
  type HighlightAnswer,
  type HighlightQuestion,
  type HighlightLanguage,
} from "./highlightLanguages.ts";

const languages: Readonly<Record<HighlightLanguage, LanguageInput>> = {
  bash: () => import("shiki/langs/bash.mjs"),
  c: () => import("shiki/langs/c.mjs"),
  cpp: () => import("shiki/langs/cpp.mjs"),
  csharp: () => import("shiki/langs/csharp.mjs"),
  css: () => import("shiki/langs/css.mjs"),
  diff: () => import("shiki/langs/diff.mjs"),
  docker: () => import("shiki/langs/docker.mjs"),
  go: () => import("shiki/langs/go.mjs"),
  haskell: () => import("shiki/langs/haskell.mjs"),
  html: () => import("shiki/langs/html.mjs"),
  ini: () => import("shiki/langs/ini.mjs"),
  java: () => import("shiki/langs/java.mjs"),
  javascript: () => import("shiki/langs/javascript.mjs"),
  json: () => import("shiki/langs/json.mjs"),
  jsx: () => import("shiki/langs/jsx.mjs"),
  kotlin: () => import("shiki/langs/kotlin.mjs"),
  lua: () => import("shiki/langs/lua.mjs"),
  make: () => import("shiki/langs/make.mjs"),
  markdown: () => import("shiki/langs/markdown.mjs"),
  php: () => import("shiki/langs/php.mjs"),
  powershell: () => import("shiki/langs/powershell.mjs"),
  python: () => import("shiki/langs/python.mjs"),
  r: () => import("shiki/langs/r.mjs"),
  ruby: () => import("shiki/langs/ruby.mjs"),
  rust: () => import("shiki/langs/rust.mjs"),
  scala: () => import("shiki/langs/scala.mjs"),
  sql: () => import("shiki/langs/sql.mjs"),
  swift: () => import("shiki/langs/swift.mjs"),
  toml: () => import("shiki/langs/toml.mjs"),
  tsx: () => import("shiki/langs/tsx.mjs"),
  typescript: () => import("shiki/langs/typescript.mjs"),
  xml: () => import("shiki/langs/xml.mjs"),
  yaml: () => import("shiki/langs/yaml.mjs"),
};

const theme = createCssVariablesTheme({ name: "kinds", variablePrefix: "", fontStyle: false });
/**
 * A line that takes longer is given up, and with it what follows: its state would be wrong. Long, because the first lines
 * of a language also pay for compiling its rules (over half a second on a busy machine). The page ends a worker that
 * does not answer.
 */
const longestLineMs = 5000;
let highlighter: Promise<HighlighterCore> | undefined;

async function tokensOf({ code, language }: HighlightQuestion): Promise<Uint32Array<ArrayBuffer>> {
  highlighter ??= createHighlighterCore({
    themes: [theme],
    langs: [],
    engine: createJavaScriptRegexEngine({ forgiving: true }),
  });
  const ready = await highlighter;
  await ready.loadLanguage(languages[language]);
  const lines = ready.codeToTokensBase(code, { lang: language, theme: "kinds", tokenizeTimeLimit: longestLineMs });
  const triples: number[] = [];
  for (const { content, offset, color = "" } of lines.flat()) {
    const kind = tokenKinds.findIndex((name) => color === `var(token-${name})`);
    if (kind >= 0 && content.trim() !== "") triples.push(offset, offset + content.length, kind);
  }
  return Uint32Array.from(triples);
}

self.addEventListener("message", ({ data }: MessageEvent<HighlightQuestion>) => {
  tokensOf(data).then(
    (tokens) => {
      const answer: HighlightAnswer = { id: data.id, tokens };
      self.postMessage(answer, { transfer: [tokens.buffer] });
    },
    (error: unknown) => {
      // Code without colours is still code; the page is told, so that it does not wait.
      console.error(error);
      self.postMessage({ id: data.id, tokens: new Uint32Array() } satisfies HighlightAnswer);
    },
  );
});
