// What can be done with templates, as the buttons, the composer and the tests call it.
import type { BuiltIn, Template, TemplateContent } from "../../electron/contract/templates.ts";
import type { AppliedTemplate } from "../../electron/contract/chat.ts";
import { t } from "../i18n/texts.ts";
import { client } from "../platform/client.ts";
import { pickTextFile, saveFile } from "../platform/files.ts";
import { offerUndo, reportError } from "../platform/toasts.ts";
import type { Action } from "../ui/action.ts";
import { newKey, setApplied, setEdit, useTemplates } from "./templatesStore.ts";

type Values = AppliedTemplate["values"];

export const openTemplates: Action = {
  id: "templates.open",
  get label() {
    return t("templates.title");
  },
  perform: () =>
    useTemplates.setState((state) => ({ dialogOpen: true, selected: state.selected ?? state.list[0]?.id ?? null })),
};

export const emptyContent: TemplateContent = {
  name: "",
  slug: "",
  description: "",
  system: "",
  examples: [],
  variables: [],
};

export const slugFrom = (name: string): string =>
  name
    .toLowerCase()
    .normalize("NFKD")
    .replaceAll(/\p{M}/gu, "")
    .replaceAll(/[^a-z0-9]+/gu, "-")
    .replaceAll(/^-+|-+$/gu, "")
    .slice(0, 40);

async function readClipboard(): Promise<string> {
  try {
    return await navigator.clipboard.readText();
  } catch {
    // Refused, or there is no text in it: the variable is then empty, as the form shows.
    return "";
  }
}

/** What only the page knows. The selection is that of the moment before the form took the focus. */
export async function pageValues(names: readonly BuiltIn[], selection: string): Promise<Values> {
  const { locale, timeZone } = Intl.DateTimeFormat().resolvedOptions();
  return {
    locale,
    timezone: timeZone,
    ...(names.includes("selection") ? { selection } : {}),
    ...(names.includes("clipboard") ? { clipboard: await readClipboard() } : {}),
  };
}

export async function applyTemplate(conversationId: string, templateId: string, values: Values): Promise<void> {
  setApplied(conversationId, await client.templates.apply({ conversationId, templateId, values }));
}

export async function clearTemplate(conversationId: string): Promise<void> {
  const before = useTemplates.getState().applied[conversationId] ?? null;
  try {
    await client.templates.clearApplied({ conversationId });
    setApplied(conversationId, null);
    if (before === null) return;
    offerUndo(t("templates.takenAway", { name: before.name }), () =>
      applyTemplate(conversationId, before.templateId, before.values),
    );
  } catch (error) {
    reportError(error);
  }
}

export async function saveTemplate(key: string, content: TemplateContent): Promise<void> {
  try {
    const saved = await client.templates.save({ id: key === newKey ? null : key, content });
    setEdit(key, null);
    useTemplates.setState(({ list }) => ({
      selected: saved.id,
      list: [...list.filter((each) => each.id !== saved.id), saved],
    }));
  } catch (error) {
    reportError(error);
  }
}

/** At once, with a way back: no question is asked. */
export async function removeTemplate(template: Template): Promise<void> {
  const { id, content } = template;
  try {
    await client.templates.remove({ id });
    useTemplates.setState(({ list }) => {
      const rest = list.filter((each) => each.id !== id);
      return { list: rest, selected: rest[0]?.id ?? null };
    });
    offerUndo(t("templates.deleted", { name: content.name }), async () => {
      await client.templates.restore({ id });
      useTemplates.setState({ selected: id });
    });
  } catch (error) {
    reportError(error);
  }
}

export async function exportTemplates(ids: readonly string[] | undefined, fileName: string): Promise<void> {
  try {
    const text = await client.templates.exportTemplates(ids === undefined ? {} : { ids: [...ids] });
    saveFile({ fileName, mediaType: "application/json", text });
  } catch (error) {
    reportError(error);
  }
}

export async function importTemplates(): Promise<void> {
  try {
    const json = await pickTextFile(".json,application/json");
    if (json === null) return;
    const [first] = await client.templates.importTemplates({ json });
    if (first !== undefined) useTemplates.setState({ selected: first.id });
  } catch (error) {
    reportError(error);
  }
}
