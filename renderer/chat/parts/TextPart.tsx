// An answer's Markdown, hostile until proven otherwise: raw HTML shows as text, images never load, links open only
// through the one confirmed opener. Only the growing last block is parsed again while text streams in.
import { memo, type ComponentProps } from "react";
import { Streamdown, type Components } from "streamdown";
import remarkGfm from "remark-gfm";
import remarkMath from "remark-math";
import { t, useLanguage } from "../../i18n/texts.ts";
import { CodeBlock, textOfChildren } from "./CodeBlock.tsx";
import { mathDelimiters } from "./mathDelimiters.ts";
import { MathPart } from "./MathPart.tsx";
import { askToOpen } from "../openLink.ts";

interface MarkdownNode {
  type: string;
  children?: MarkdownNode[];
}

/** Turns raw HTML nodes into text, so that a reader sees what the model wrote and the page never runs it. */
function htmlAsText() {
  const visit = (node: MarkdownNode): void => {
    for (const child of node.children ?? []) {
      if (child.type === "html") child.type = "text";
      visit(child);
    }
  };
  return visit;
}

const safeProtocols = new Set(["http:", "https:", "mailto:"]);

function SafeLink({ href, children }: ComponentProps<"a">) {
  const url = URL.canParse(href ?? "") ? new URL(href ?? "") : null;
  if (url === null || !safeProtocols.has(url.protocol)) return <span>{children}</span>;
  return (
    <button
      type="button"
      className="cursor-pointer text-accent underline underline-offset-2"
      title={url.href}
      onClick={() => askToOpen(url.href)}
    >
      {children}
    </button>
  );
}

function ImageAsText({ alt }: ComponentProps<"img">) {
  const text = alt === undefined || alt === "" ? t("chat.image") : t("chat.imageOf", { description: alt });
  return <span className="text-muted">{text}</span>;
}

const isMath = (className: string | undefined): boolean => className?.includes("math-") === true;

function InlineCode({ className, children }: ComponentProps<"code">) {
  if (isMath(className)) return <MathPart tex={textOfChildren(children)} display={false} />;
  return <code>{children}</code>;
}

function BlockCode(props: ComponentProps<"code">) {
  if (isMath(props.className)) return <MathPart tex={textOfChildren(props.children)} display />;
  return <CodeBlock {...props} />;
}

// The library's type gives every key an index signature that no component with props of its own can meet.
const components = { a: SafeLink, img: ImageAsText, code: BlockCode, inlineCode: InlineCode } as unknown as Components;
// mathDelimiters says what is mathematics; a single dollar never is.
const remarkPlugins: ComponentProps<typeof Streamdown>["remarkPlugins"] = [
  remarkGfm,
  [remarkMath, { singleDollarTextMath: false }],
  htmlAsText,
];
const rehypePlugins: never[] = [];

interface TextPartProps {
  readonly text: string;
  readonly streaming: boolean;
}

export const TextPart = memo(function TextPart({ text, streaming }: TextPartProps) {
  useLanguage();
  return (
    <Streamdown
      className="markdown"
      mode={streaming ? "streaming" : "static"}
      parseIncompleteMarkdown={streaming}
      controls={false}
      components={components}
      remarkPlugins={remarkPlugins}
      rehypePlugins={rehypePlugins}
    >
      {mathDelimiters(text)}
    </Streamdown>
  );
});
