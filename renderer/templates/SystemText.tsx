// The system text under edit, with the part that is kept computed tinted behind the letters. The tint is a copy of the text
// in the same cell and the same type, so it also gives the box its height.
import { useId } from "react";
import type { TemplatePreview } from "../../electron/contract/templates.ts";
import { t } from "../i18n/texts.ts";

interface SystemTextProps {
  readonly text: string;
  readonly warmEnd: TemplatePreview["warmEnd"];
  onChange(text: string): void;
}

const shared =
  "col-start-1 row-start-1 min-h-40 px-3 py-2 text-[13px] leading-relaxed whitespace-pre-wrap [overflow-wrap:anywhere]";

export function SystemText({ text, warmEnd, onChange }: SystemTextProps) {
  const id = useId();
  const end = warmEnd?.part === "system" ? Math.min(warmEnd.offset, text.length) : text.length;
  return (
    <div>
      <label htmlFor={id} className="mb-1 block text-xs font-medium">
        {t("templates.systemText")}
      </label>
      <div className="grid max-h-[44vh] overflow-y-auto rounded-md border border-line bg-canvas focus-within:border-accent">
        <div aria-hidden className={`${shared} pointer-events-none text-transparent select-none`}>
          <span className="rounded-sm bg-accent/15 box-decoration-clone">{text.slice(0, end)}</span>
          {text.slice(end)}
          {"\n"}
        </div>
        <textarea
          id={id}
          value={text}
          spellCheck
          placeholder={t("templates.systemTextHelp", { variable: "{{name}}", builtIn: "{{date}}" })}
          onChange={(event) => onChange(event.target.value)}
          className={`${shared} resize-none overflow-hidden bg-transparent outline-none placeholder:text-muted`}
        />
      </div>
    </div>
  );
}
