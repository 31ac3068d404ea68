// An answer's Markdown, hostile until proven otherwise: raw HTML shows as text, images never load, links open only
// through the one confirmed opener. Only the growing last piece is parsed again while text streams in.
import { memo, useState, type ComponentProps } from "react";
import { Streamdown, type Components } from "streamdown";
import remarkGfm from "remark-gfm";
import remarkMath from "remark-math";
import { t, useLanguage } from "../../i18n/texts.ts";
import { CodeBlock, textOfChildren } from "./CodeBlock.tsx";
import { createCutter } from "./cutMarkdown.ts";
import { mathDelimiters } from "./mathDelimiters.ts";
import { MathPart } from "./MathPart.tsx";
import { askToOpen } from "../openLink.ts";
import { useSlowly } from "../../ui/useSlowly.ts";

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

/** A growing piece that is longer (one endless paragraph, a table) is drawn less often, by its length: it is parsed as a whole. */
const quickLength = 4_000;
const charactersPerMs = 32;

const Piece = memo(function Piece({ text, streaming }: TextPartProps) {
  const shown = useSlowly(text, streaming && text.length > quickLength ? text.length / charactersPerMs : 0);
  return (
    <Streamdown
      className="markdown-piece"
      mode={streaming ? "streaming" : "static"}
      parseIncompleteMarkdown={streaming}
      controls={false}
      components={components}
      remarkPlugins={remarkPlugins}
      rehypePlugins={rehypePlugins}
    >
      {mathDelimiters(shown)}
    </Streamdown>
  );
});

export const TextPart = memo(function TextPart({ text, streaming }: TextPartProps) {
  const language = useLanguage();
  const [cut] = useState(createCutter);
  const pieces = cut(text);
  return (
    <div className="markdown" key={language}>
      {pieces.map((piece, index) => (
        // A piece keeps its place while the text grows.
        // oxlint-disable-next-line react/no-array-index-key
        <Piece key={index} text={piece} streaming={streaming && index === pieces.length - 1} />
      ))}
    </div>
  );
});
