// The services' view of a template under edit, a moment after the last key: one parser for editor, preview and use.
import { useEffect, useState } from "react";
import type { TemplateContent, TemplatePreview } from "../../electron/contract/templates.ts";
import { client } from "../platform/client.ts";

const typingPauseMs = 150;

/** null until the first answer. A text too long for the contract keeps the last preview; saving says what is wrong. */
export function usePreview(content: TemplateContent, values: Readonly<Record<string, string>>): TemplatePreview | null {
  const [preview, setPreview] = useState<TemplatePreview | null>(null);
  useEffect(() => {
    let current = true;
    const look = async (): Promise<void> => {
      try {
        const next = await client.templates.preview({ content, values });
        if (current) setPreview(next);
      } catch {
        // What is wrong with the content is said when it is saved; until then the last preview stands.
      }
    };
    const timer = setTimeout(() => void look(), typingPauseMs);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [content, values]);
  return preview;
}
