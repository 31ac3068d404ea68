// Templates in the page: the list, which conversation has which, what is open, and what is being edited and not saved.
import { create } from "zustand";
import type { AppliedTemplate } from "../../electron/contract/chat.ts";
import type { Template, TemplateContent } from "../../electron/contract/templates.ts";
import { client, onConnection } from "../platform/client.ts";
import { reportError } from "../platform/toasts.ts";

/** Key of a template that does not exist yet. */
export const newKey = "new";

interface TemplatesStore {
  readonly list: readonly Template[];
  /** By conversation; absent: not asked yet. */
  readonly applied: Readonly<Record<string, AppliedTemplate | null>>;
  readonly dialogOpen: boolean;
  /** Id of the template shown in the dialog, `newKey`, or null for none. */
  readonly selected: string | null;
  /** Unsaved changes by template id or `newKey`. */
  readonly edits: Readonly<Record<string, TemplateContent>>;
  /** The template whose variables are being asked for beside the composer. */
  readonly formId: string | null;
}

export const useTemplates = create<TemplatesStore>()(() => ({
  list: [],
  applied: {},
  dialogOpen: false,
  selected: null,
  edits: {},
  formId: null,
}));

export function setApplied(conversationId: string, applied: AppliedTemplate | null): void {
  useTemplates.setState((state) => ({ applied: { ...state.applied, [conversationId]: applied } }));
}

/** Asks for a conversation's template unless it is known. */
export function needApplied(conversationId: string): void {
  if (conversationId in useTemplates.getState().applied) return;
  client.templates
    .getApplied({ conversationId })
    .then((applied) => setApplied(conversationId, applied))
    .catch(reportError);
}

export function setEdit(key: string, content: TemplateContent | null): void {
  useTemplates.setState(({ edits: { [key]: _, ...others } }) => ({
    edits: content === null ? others : { ...others, [key]: content },
  }));
}

export function startTemplatesStore(): void {
  client.templates.on("listChanged", (list) => useTemplates.setState({ list }));
  client.templates.on("appliedChanged", ({ conversationId, applied }) => setApplied(conversationId, applied));
  onConnection((state) => {
    if (state !== "open") return;
    client.templates
      .list({})
      .then((list) => useTemplates.setState({ list, applied: {} }))
      .catch(reportError);
  });
}
