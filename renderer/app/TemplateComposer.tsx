// The composer with templates above it: "/" opens the list, a chosen template asks for its variables, and what the
// conversation has is shown. Keys of the list are taken before the composer sees them; the composer knows nothing of it.
import { useEffect, useState, type KeyboardEvent } from "react";
import type { Template } from "../../electron/contract/templates.ts";
import { setDraft, useChat } from "../chat/chatStore.ts";
import { Composer } from "../chat/Composer.tsx";
import { reportError } from "../platform/toasts.ts";
import { useSettings } from "../platform/settingsStore.ts";
import { AppliedChip } from "../templates/AppliedChip.tsx";
import { matchingTemplates, SlashMenu, slashQuery } from "../templates/SlashMenu.tsx";
import { clearTemplate } from "../templates/templateActions.ts";
import { TemplateForm } from "../templates/TemplateForm.tsx";
import { needApplied, useTemplates } from "../templates/templatesStore.ts";
import { applyHere, chooseTemplate, closeForm } from "./templateUse.ts";

const boxId = "composer";

/** What the list of the slash menu is, and its keys. */
function useSlashMenu() {
  const openId = useChat((state) => state.openId);
  const draft = useChat((state) => state.drafts[state.openId ?? ""] ?? "");
  const editing = useChat((state) => state.editingId !== null);
  const list = useTemplates((state) => state.list);
  const [marked, setMarked] = useState({ query: "", index: 0 });
  const [dismissed, setDismissed] = useState("");
  const query = editing || draft === dismissed ? null : slashQuery(draft);
  const found = query === null ? [] : matchingTemplates(list, query);
  /** The first line again for every other text. */
  const active = marked.query === query ? marked.index : 0;

  const choose = (template: Template): void => {
    setDraft(openId, "");
    chooseTemplate(template);
  };

  const onKeyDownCapture = (event: KeyboardEvent): void => {
    if (query === null || event.nativeEvent.isComposing || (event.target as HTMLElement).id !== boxId) return;
    const chosen = found[active];
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step !== 0 && found.length > 0) setMarked({ query, index: (active + step + found.length) % found.length });
    else if (event.key === "Escape") setDismissed(draft);
    else if ((event.key === "Enter" || event.key === "Tab") && !event.shiftKey && chosen !== undefined) choose(chosen);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return { shown: query !== null, found, active, choose, onKeyDownCapture };
}

function ConversationTemplate() {
  const openId = useChat((state) => state.openId);
  const { list, applied, formId } = useTemplates();
  const here = openId === null ? null : (applied[openId] ?? null);
  const asked = list.find((template) => template.id === formId);

  useEffect(() => {
    if (openId !== null) needApplied(openId);
    // A form belongs to the conversation in which it was opened.
    return closeForm;
  }, [openId]);

  if (asked !== undefined) {
    const values = here?.templateId === asked.id ? here.values : {};
    return (
      <TemplateForm
        key={asked.id}
        template={asked}
        values={values}
        onUse={(chosen) => applyHere(asked.id, chosen)}
        onCancel={closeForm}
      />
    );
  }
  if (here === null || openId === null) return null;
  const template = list.find((each) => each.id === here.templateId);
  const asks = (template?.content.variables.length ?? 0) > 0;
  return (
    <AppliedChip
      applied={here}
      onEdit={template !== undefined && asks ? () => chooseTemplate(template) : undefined}
      onRemove={() => void clearTemplate(openId).catch(reportError)}
    />
  );
}

export function TemplateComposer() {
  const slash = useSlashMenu();
  const wide = useSettings((settings) => settings.wideColumn);
  return (
    // Hears the composer's keys while the list is open; it is no control itself.
    <div onKeyDownCapture={slash.onKeyDownCapture}>
      <div className={`mx-auto w-full px-6 ${wide ? "max-w-[1088px]" : "max-w-[816px]"}`}>
        {slash.shown ? (
          <SlashMenu templates={slash.found} active={slash.active} boxId={boxId} onChoose={slash.choose} />
        ) : (
          <ConversationTemplate />
        )}
      </div>
      <Composer />
    </div>
  );
}
