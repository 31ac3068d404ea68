// Finds words in the renderer's code that a user would read and that no translation could reach: text between tags, the
// attributes and properties that are shown or read aloud, and notices. What goes through a call, as t("...") does, is not
// looked into; a sentence that a function of its own returns is not found here.
import { parseSync } from "vite";

/** Names of products, formats and samplers, the same in every language. */
const namesEverywhere = new Set([
  "Conclave",
  "ChatML",
  "Top-k",
  "Top-p",
  "Min-p",
  "JSON",
  "JSONL",
  "CSV",
  "PNG",
  "SVG",
  "Markdown",
  "ShareGPT",
  "OpenAI",
  "MoE",
  "MoE",
]);
const shownAttribute = /^(?:alt|title|placeholder|head|heading|caption|help|empty|description|message|text|.*label)$/i;
const shownProperty = /^(?:title|placeholder|head|heading|caption|help|description|message|text|.*label)$/i;
const noticeCall = /^(?:toast(?:\.\w+)?|offerUndo)$/;

interface Node {
  readonly type: string;
  readonly [field: string]: unknown;
}

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string";
const nodesIn = (value: unknown): Node[] =>
  Array.isArray(value) ? value.filter(isNode) : isNode(value) ? [value] : [];
const childrenOf = (node: Node): Node[] => Object.values(node).flatMap(nodesIn);
const isSentence = (text: string): boolean => /\p{L}{2}/u.test(text) && !namesEverywhere.has(text.trim());

/** The words that an expression can come out as, through choices, lists and templates but not through calls. */
function wordsOf(node: Node): string[] {
  switch (node.type) {
    case "Literal":
      return typeof node["value"] === "string" ? [node["value"]] : [];
    case "TemplateLiteral":
      return nodesIn(node["quasis"]).map((quasi) => (quasi["value"] as { readonly raw: string }).raw);
    case "ConditionalExpression":
      return [...nodesIn(node["consequent"]), ...nodesIn(node["alternate"])].flatMap(wordsOf);
    case "LogicalExpression":
    case "BinaryExpression":
      // What is compared is not shown.
      return /^(?:[!=]==?|[<>]=?)$/.test(String(node["operator"]))
        ? []
        : [...nodesIn(node["left"]), ...nodesIn(node["right"])].flatMap(wordsOf);
    case "ArrayExpression":
      return nodesIn(node["elements"]).flatMap(wordsOf);
    case "JSXExpressionContainer":
    case "ParenthesizedExpression":
    case "TSAsExpression":
      return nodesIn(node["expression"]).flatMap(wordsOf);
    default:
      return [];
  }
}

function calleeName(node: Node): string {
  if (node.type === "Identifier") return String(node["name"]);
  if (node.type !== "MemberExpression") return "";
  return [...nodesIn(node["object"]), ...nodesIn(node["property"])].map(calleeName).join(".");
}

const nameOf = (node: Node | undefined): string => String(node?.["name"] ?? node?.["value"] ?? "");

/** The words that this node itself shows. */
function shownBy(node: Node): string[] {
  switch (node.type) {
    case "JSXText":
      return [String(node["value"])];
    case "JSXElement":
    case "JSXFragment":
      return nodesIn(node["children"]).flatMap((child) =>
        child.type === "JSXExpressionContainer" ? wordsOf(child) : [],
      );
    case "JSXAttribute":
      return shownAttribute.test(nameOf(nodesIn(node["name"])[0])) ? nodesIn(node["value"]).flatMap(wordsOf) : [];
    case "Property":
      return shownProperty.test(nameOf(nodesIn(node["key"])[0])) ? nodesIn(node["value"]).flatMap(wordsOf) : [];
    case "CallExpression":
      return noticeCall.test(calleeName(nodesIn(node["callee"])[0] ?? node))
        ? nodesIn(node["arguments"]).slice(0, 1).flatMap(wordsOf)
        : [];
    default:
      return [];
  }
}

/** @param path only its ending matters: .ts or .tsx. @throws when the source does not parse. */
export function sentencesIn(path: string, source: string): string[] {
  const { program, errors } = parseSync(path, source);
  if (errors[0] !== undefined) throw new Error(`${path}: ${errors[0].message}`);
  const found: string[] = [];
  const visit = (node: Node): void => {
    found.push(...shownBy(node).filter(isSentence));
    for (const child of childrenOf(node)) visit(child);
  };
  visit(program as unknown as Node);
  return [...new Set(found.map((text) => text.trim().replaceAll(/\s+/g, " ")))];
}
