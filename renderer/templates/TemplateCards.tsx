// Four templates to begin with, on an empty thread: the most used first, then those that came with the app.
import { ScrollText } from "lucide-react";
import type { Template } from "../../electron/contract/templates.ts";
import { t } from "../i18n/texts.ts";
import { useTemplates } from "./templatesStore.ts";

const shown = 4;
const firstSlugs = ["translator", "review", "story", "tutor"];

export function cardsOf(list: readonly Template[]): Template[] {
  const place = (template: Template): number => {
    const index = firstSlugs.indexOf(template.content.slug);
    return index < 0 ? firstSlugs.length : index;
  };
  return list.toSorted((a, b) => b.warmth.uses - a.warmth.uses || place(a) - place(b)).slice(0, shown);
}

interface TemplateCardsProps {
  onChoose(template: Template): void;
  onAll(): void;
}

export function TemplateCards({ onChoose, onAll }: TemplateCardsProps) {
  const list = useTemplates((state) => state.list);
  if (list.length === 0) return null;
  return (
    <section aria-label={t("templates.beginWith")} className="w-full max-w-[600px]">
      <div className="mb-2 flex items-baseline justify-between">
        <h2 className="text-xs font-semibold tracking-wide text-muted uppercase">{t("templates.beginWith")}</h2>
        <button type="button" onClick={onAll} className="rounded text-xs text-accent hover:underline">
          {t("templates.allTemplates", { count: list.length })}
        </button>
      </div>
      <ul className="grid grid-cols-2 gap-2">
        {cardsOf(list).map((template) => (
          <li key={template.id}>
            <button
              type="button"
              onClick={() => onChoose(template)}
              className="flex h-full w-full items-start gap-2.5 rounded-xl border border-line bg-raised px-3 py-2.5 text-left hover:bg-hover"
            >
              <ScrollText size={15} aria-hidden className="mt-0.5 shrink-0 text-accent" />
              <span className="min-w-0">
                <span className="block text-[13px] font-medium">{template.content.name}</span>
                <span className="line-clamp-1 text-xs text-muted">{template.content.description}</span>
              </span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
