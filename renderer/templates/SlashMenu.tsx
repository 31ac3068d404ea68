// The templates that match what stands behind "/" in the composer. The text box keeps the focus; the chosen line is named to
// screen readers through the box's aria-activedescendant.
import { useEffect } from "react";
import type { Template } from "../../electron/contract/templates.ts";
import { t } from "../i18n/texts.ts";
import { WarmBadge } from "./WarmBadge.tsx";

const shownAtMost = 50;
const listId = "slash-templates";
const optionId = (id: string): string => `slash-${id}`;

/** null: the text is not the beginning of a template's short name. */
export function slashQuery(draft: string): string | null {
  return /^\/([a-z0-9-]*)$/iu.exec(draft)?.[1]?.toLowerCase() ?? null;
}

/** Short names that begin so first, then names that contain it. */
export function matchingTemplates(list: readonly Template[], query: string): Template[] {
  const bySlug = list.filter(({ content }) => content.slug.startsWith(query));
  const byName = list.filter((each) => !bySlug.includes(each) && each.content.name.toLowerCase().includes(query));
  return [...bySlug, ...byName].slice(0, shownAtMost);
}

interface SlashMenuProps {
  readonly templates: readonly Template[];
  readonly active: number;
  /** Id of the text box that the menu belongs to. */
  readonly boxId: string;
  onChoose(template: Template): void;
}

export function SlashMenu({ templates, active, boxId, onChoose }: SlashMenuProps) {
  const activeId = templates[active]?.id;
  useEffect(() => {
    const box = document.getElementById(boxId);
    if (box === null || activeId === undefined) return;
    box.setAttribute("aria-controls", listId);
    box.setAttribute("aria-activedescendant", optionId(activeId));
    document.getElementById(optionId(activeId))?.scrollIntoView({ block: "nearest" });
    return () => {
      box.removeAttribute("aria-controls");
      box.removeAttribute("aria-activedescendant");
    };
  }, [boxId, activeId]);

  return (
    <div className="mb-2 overflow-hidden rounded-2xl border border-line bg-raised shadow-lg">
      <p role="status" className="px-4 pt-2.5 pb-1 text-xs text-muted">
        {templates.length === 0 ? t("templates.noneCalled") : t("templates.slashHelp")}
      </p>
      <div
        id={listId}
        role="listbox"
        aria-label={t("templates.title")}
        className="max-h-[40vh] overflow-y-auto p-1.5 pt-0"
      >
        {templates.map((template, index) => (
          <div
            key={template.id}
            id={optionId(template.id)}
            role="option"
            aria-selected={index === active}
            tabIndex={-1}
            // The text box has the focus and hears the keys.
            onPointerDown={(event) => {
              event.preventDefault();
              onChoose(template);
            }}
            className="flex cursor-pointer items-center gap-3 rounded-lg px-2.5 py-1.5 hover:bg-hover aria-selected:bg-hover"
          >
            <span className="w-24 shrink-0 truncate font-mono text-xs text-accent">/{template.content.slug}</span>
            <span className="shrink-0 font-medium">{template.content.name}</span>
            <span className="min-w-0 flex-1 truncate text-xs text-muted">{template.content.description}</span>
            <WarmBadge warmth={template.warmth} />
          </div>
        ))}
      </div>
    </div>
  );
}
