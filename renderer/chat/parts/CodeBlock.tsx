// A fenced code block: language, wrap, copy; scrolls past 480 px. Inline code arrives elsewhere.
import { useEffect, useRef, useState, type ComponentProps, type ReactNode } from "react";
import { Check, Copy, WrapText } from "lucide-react";
import { t } from "../../i18n/texts.ts";
import { IconButton } from "../../ui/IconButton.tsx";
import { reportError } from "../../platform/toasts.ts";

import { useHighlight } from "./useHighlight.ts";

const copiedMs = 2_000;

export function textOfChildren(children: ReactNode): string {
  if (typeof children === "string") return children;
  if (Array.isArray(children)) return children.map((child: ReactNode) => textOfChildren(child)).join("");
  return "";
}

export function CodeBlock({ className, children }: ComponentProps<"code">) {
  const [wrap, setWrap] = useState(false);
  const [copied, setCopied] = useState(false);
  const text = textOfChildren(children).replace(/\n$/, "");
  const language = /language-([\w+#.-]+)/.exec(className ?? "")?.[1] ?? "text";

  const box = useRef<HTMLElement>(null);
  useHighlight(box, text, language);

  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), copiedMs);
    return () => clearTimeout(timer);
  }, [copied]);

  const copy = (): void => {
    navigator.clipboard.writeText(text).then(() => setCopied(true), reportError);
  };

  return (
    <figure className="my-3 overflow-hidden rounded-lg border border-line bg-surface">
      <figcaption className="flex h-8 items-center justify-between border-b border-line pr-1 pl-3 text-xs text-muted">
        <span>{language}</span>
        <span className="flex items-center">
          <span aria-live="polite" className="mr-1">
            {copied ? t("chat.copied") : ""}
          </span>
          <IconButton label={t("chat.wrapLines")} pressed={wrap} onClick={() => setWrap(!wrap)}>
            <WrapText size={14} aria-hidden />
          </IconButton>
          <IconButton label={t("chat.copyCode")} onClick={copy}>
            {copied ? <Check size={14} aria-hidden /> : <Copy size={14} aria-hidden />}
          </IconButton>
        </span>
      </figcaption>
      {/* Scrollable content must be reachable by keyboard (WCAG 2.1.1). */}
      <pre
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        role="group"
        aria-label={t("chat.codeIn", { language })}
        className={`max-h-[480px] overflow-auto p-3 font-mono text-[13px] leading-5 ${wrap ? "whitespace-pre-wrap" : ""}`}
      >
        <code ref={box}>{text}</code>
      </pre>
    </figure>
  );
}
