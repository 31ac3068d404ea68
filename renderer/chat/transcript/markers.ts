// Pure: what changed between one answer of a branch and the next: another model, a template put on or taken off, other
// settings. Read from the records of the runs, so an older conversation shows it too.
import type { Message, Run, Sampler } from "../../../electron/contract/chat.ts";
import { samplerFields, type SamplerField } from "../samplerFields.ts";

export interface SettingChange {
  readonly key: SamplerField["key"];
  /** null: chosen anew each time (a seed). */
  readonly from: number | null;
  readonly to: number | null;
}

export type Marker =
  | { readonly kind: "model"; readonly name: string }
  /** null: it was taken off. */
  | { readonly kind: "template"; readonly name: string | null }
  | { readonly kind: "settings"; readonly changes: readonly SettingChange[]; readonly systemPrompt: boolean };

type Made = Pick<Run, "modelId" | "modelName" | "sampler" | "prompt">;

function samplerChanges(before: Sampler, after: Sampler): SettingChange[] {
  return samplerFields.flatMap(({ key }) =>
    before[key] === after[key] ? [] : [{ key, from: before[key], to: after[key] }],
  );
}

/** Of two answers that followed each other. */
export function changesBetween(before: Made, after: Made): Marker[] {
  const markers: Marker[] = [];
  if (before.modelId !== after.modelId) markers.push({ kind: "model", name: after.modelName });
  const [old, now] = [before.prompt, after.prompt];
  const template = now?.template ?? null;
  const sameTemplate =
    old?.template?.templateId === template?.templateId && old?.template?.version === template?.version;
  const known = old !== null && now !== null;
  if (known && !sameTemplate) markers.push({ kind: "template", name: template?.name ?? null });
  const changes = samplerChanges(before.sampler, after.sampler);
  // A template's text and a summary are part of the system prompt; where they came or went, the rest cannot be told.
  const comparable = known && sameTemplate && template === null && old.summaryId === now.summaryId;
  const systemPrompt = comparable && old.systemPrompt !== now.systemPrompt;
  if (changes.length > 0 || systemPrompt) markers.push({ kind: "settings", changes, systemPrompt });
  return markers;
}

/** By the answer that was the first made that way. */
export function markersOf(branch: readonly Message[]): ReadonlyMap<string, readonly Marker[]> {
  const markers = new Map<string, readonly Marker[]>();
  let before: Run | null = null;
  for (const { id, role, run } of branch) {
    if (role !== "assistant" || run === null) continue;
    const changes: Marker[] =
      before === null
        ? run.prompt?.template == null
          ? []
          : [{ kind: "template", name: run.prompt.template.name }]
        : changesBetween(before, run);
    if (changes.length > 0) markers.set(id, changes);
    before = run;
  }
  return markers;
}
