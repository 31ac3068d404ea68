// Prompt-prefix templates: their versions, which conversation begins with which, and keeping their beginnings computed for
// the loaded model. Gives the chat service the prefix of a conversation; knows neither messages nor runs beyond that.
import { randomUUID } from "node:crypto";
import type { AppliedTemplate, Timings } from "../contract/chat.ts";
import { AppError } from "../contract/errors.ts";
import type { Publish, ServiceHandlers } from "../contract/ipc.ts";
import type { Template, TemplateContent } from "../contract/templates.ts";
import type { Database } from "../db/database.ts";
import {
  findApplied,
  findTemplate,
  findVersion,
  hasTemplate,
  listTemplates,
  listVersions,
  saveApplied,
  saveTemplate,
  setTemplateDeleted,
  slugOwner,
  type StoredTemplate,
} from "../db/templates.ts";
import type { EngineApi } from "../engine/engineApi.ts";
import {
  missingIn,
  namesUsed,
  type Prefix,
  prefixOf,
  problemsOf,
  undeclaredIn,
  warmEndOf,
  withDefaults,
} from "./applying.ts";
import { builtInValues } from "./builtInValues.ts";
import { freeSlug, fromExchange, toExchange } from "./exchange.ts";
import { lineDiff } from "./lineDiff.ts";
import { isBuiltIn, reorderForWarmth } from "./prefixText.ts";
import { shippedTemplates } from "./shipped.ts";
import { createWarmth, type WarmingModel } from "./warmth.ts";

/** Changes of warmth come in bursts (a model is loaded, a run ends); the windows hear of each burst once. */
const announceAfterMs = 60;

export interface TemplatesDependencies {
  readonly database: Database;
  readonly engine: Pick<EngineApi, "commonTokens" | "countTokens" | "knownPrefix" | "warmPrefix" | "status">;
  /** Where computed beginnings are kept. */
  readonly folder: string;
  readonly capMb: () => number;
  /** null: none is loaded. */
  readonly loadedModel: () => Promise<WarmingModel | null>;
  /** Loads the model that would answer. */
  readonly loadModel: () => Promise<void>;
  readonly publish: Publish;
  readonly log: (event: string, facts: Readonly<Record<string, string | number | null>>) => void;
  readonly now?: () => number;
}

/** What the chat service asks. */
export interface ConversationPrefixes {
  appliedTo(conversationId: string): AppliedTemplate | null;
  /** The same turns every time; null for none, or for a template that this version cannot read. */
  prefix(applied: AppliedTemplate | null): Prefix | null;
  /** Reads what is kept of it into memory, if it is not there; computes nothing. Never throws. */
  beforeRun(applied: AppliedTemplate): Promise<void>;
  /** @param first the conversation's first answer: what it reused was the template's. */
  afterRun(applied: AppliedTemplate, timings: Timings, first: boolean): void;
  copy(fromConversationId: string, toConversationId: string): void;
}

export interface TemplatesService extends ServiceHandlers<"templates"> {
  readonly conversations: ConversationPrefixes;
  /** A model was loaded or unloaded: every warmth is another. */
  modelChanged(): void;
  close(): Promise<void>;
}

export function createTemplatesService(dependencies: TemplatesDependencies): TemplatesService {
  const { database, engine, publish, log } = dependencies;
  const now = dependencies.now ?? Date.now;
  let timer: NodeJS.Timeout | undefined;
  let closing = false;
  const warmth = createWarmth({ ...dependencies, now, onChange: announceSoon });
  installShipped();

  function installShipped(): void {
    database.transaction(() => {
      for (const { id, content } of shippedTemplates) {
        if (hasTemplate(database, id)) continue;
        const slug = freeSlug(content.slug, (each) => slugOwner(database, each) !== undefined);
        saveTemplate(database, { id, version: 1, content: { ...content, slug }, shipped: true, time: now() });
      }
    });
  }

  const whole = (template: StoredTemplate): Template => ({ ...template, warmth: warmth.of(template.id) });
  const list = (): Template[] => listTemplates(database).map(whole);

  function announce(): void {
    clearTimeout(timer);
    timer = undefined;
    if (!closing) publish("templates", "listChanged", list());
  }

  function announceSoon(): void {
    timer ??= setTimeout(announce, announceAfterMs);
  }

  function stored(id: string): StoredTemplate {
    const template = findTemplate(database, id);
    if (template === undefined) throw new AppError("not-found", "This template is not there any more.");
    return template;
  }

  function requireUsable(content: TemplateContent, id: string | null): void {
    const [problem] = problemsOf(content);
    if (problem !== undefined) throw new AppError("bad-argument", problem);
    const owner = slugOwner(database, content.slug);
    if (owner !== undefined && owner !== id)
      throw new AppError("conflict", `/${content.slug} is another template's already; choose another short name.`);
  }

  function save(id: string | null, content: TemplateContent): Template {
    const before = id === null ? null : stored(id);
    requireUsable(content, id);
    if (before !== null && JSON.stringify(before.content) === JSON.stringify(content)) return whole(before);
    const saved = { id: id ?? randomUUID(), version: (before?.version ?? 0) + 1, content, shipped: false, time: now() };
    saveTemplate(database, saved);
    announce();
    void refresh();
    return whole(stored(saved.id));
  }

  async function refresh(): Promise<void> {
    try {
      await warmth.refresh(listTemplates(database));
    } catch (error) {
      log("warmth unknown", { error: error instanceof Error ? error.message : String(error) });
    }
  }

  function templateOf(applied: AppliedTemplate): { id: string; version: number; content: TemplateContent } | null {
    const content = findVersion(database, applied.templateId, applied.version);
    return content === undefined ? null : { id: applied.templateId, version: applied.version, content };
  }

  function setApplied(conversationId: string, applied: AppliedTemplate | null): void {
    saveApplied(database, conversationId, applied);
    publish("templates", "appliedChanged", { conversationId, applied });
  }

  /** In the background: the user is about to write, and by then the model and the beginning should be there. */
  async function warmAhead(template: StoredTemplate): Promise<void> {
    try {
      await dependencies.loadModel();
      await warmth.warm(template, true);
    } catch (error) {
      log("prefix not warmed", { templateId: template.id, error: error instanceof Error ? error.message : "" });
    }
  }

  const conversations: ConversationPrefixes = {
    appliedTo: (conversationId) => findApplied(database, conversationId),
    prefix(applied) {
      const template = applied === null ? null : templateOf(applied);
      return template === null || applied === null ? null : prefixOf(template.content, applied.values);
    },
    async beforeRun(applied) {
      const template = templateOf(applied);
      if (template !== null) await warmth.warm(template, false);
    },
    afterRun(applied, timings, first) {
      const template = templateOf(applied);
      if (template === null) return;
      if (first) warmth.used(template, timings);
      // The run has computed it by now; this only writes the file, if there is none.
      void warmth.warm(template, false).then(refresh);
    },
    copy: (from, to) => saveApplied(database, to, findApplied(database, from)),
  };

  return {
    conversations,
    modelChanged: () => void refresh(),
    async list() {
      void refresh();
      return list();
    },
    save: async ({ id, content }) => save(id, content),
    async remove({ id }) {
      stored(id);
      setTemplateDeleted(database, id, now());
      announce();
      return null;
    },
    async restore({ id }) {
      const template = findTemplate(database, id, true);
      if (template === undefined) throw new AppError("not-found", "This template is not there any more.");
      const { slug } = template.content;
      const free = freeSlug(slug, (each) => (slugOwner(database, each) ?? id) !== id);
      setTemplateDeleted(database, id, null, free);
      if (free === slug) announce();
      else save(id, { ...template.content, slug: free });
      return whole(stored(id));
    },
    async history({ id }) {
      stored(id);
      return listVersions(database, id);
    },
    async diff({ id, from, to }) {
      const [before, after] = [from, to].map((version) => findVersion(database, id, version));
      if (before === undefined || after === undefined)
        throw new AppError("not-found", "One of these versions is not there any more.");
      return lineDiff(asText(before), asText(after));
    },
    async restoreVersion({ id, version }) {
      const content = findVersion(database, id, version);
      if (content === undefined) throw new AppError("not-found", "This version is not there any more.");
      return save(id, content);
    },
    async preview({ content, values }) {
      const used = namesUsed(content).filter(isBuiltIn);
      const complete = { ...builtInValues(used, values, new Date(now())), ...dropEmpty(withDefaults(content, values)) };
      const { system, examples } = prefixOf(content, complete);
      const warm = await warmth.tokens(content);
      const text = [system, ...examples.map((turn) => turn.content)].join("\n");
      return {
        system,
        examples: examples.map(({ role, content: said }) => ({
          role: role === "user" ? role : "assistant",
          content: said,
        })),
        problems: problemsOf(content),
        missing: missingIn(content, values),
        undeclared: undeclaredIn(content),
        builtIns: used,
        tokens: warm === null ? null : Math.max(warm.length, await engine.countTokens(text)),
        warmTokens: warm?.length ?? null,
        warmEnd: warmEndOf(content),
        reordered: reorderForWarmth(content.system),
      };
    },
    exportTemplates: async ({ ids }) =>
      toExchange((ids === undefined ? listTemplates(database) : ids.map(stored)).map(({ content }) => content)),
    async importTemplates({ json }) {
      const contents = fromExchange(json);
      const added = database.transaction(() =>
        contents.map((content) => {
          const slug = freeSlug(content.slug, (each) => slugOwner(database, each) !== undefined);
          const id = randomUUID();
          saveTemplate(database, { id, version: 1, content: { ...content, slug }, shipped: false, time: now() });
          return id;
        }),
      );
      announce();
      void refresh();
      return added.map((id) => whole(stored(id)));
    },
    async apply({ conversationId, templateId, values }) {
      const template = stored(templateId);
      const { content, version } = template;
      const missing = Object.entries(missingIn(content, values))[0];
      if (missing !== undefined) throw new AppError("bad-argument", `“${missing[0]}” is not right: ${missing[1]}`);
      const used = namesUsed(content).filter(isBuiltIn);
      const complete = { ...withDefaults(content, values), ...builtInValues(used, values, new Date(now())) };
      const applied: AppliedTemplate = { templateId, version, name: content.name, values: complete };
      setApplied(conversationId, applied);
      void warmAhead(template);
      return applied;
    },
    async clearApplied({ conversationId }) {
      setApplied(conversationId, null);
      return null;
    },
    async getApplied({ conversationId }) {
      const applied = findApplied(database, conversationId);
      // The conversation was opened, and what was kept of its beginning will be wanted.
      if (applied !== null) void conversations.beforeRun(applied);
      return applied;
    },
    async warm({ id }) {
      const template = stored(id);
      await dependencies.loadModel();
      await warmth.warm(template, true);
      return whole(template);
    },
    async forget({ id }) {
      warmth.forget(id);
      announce();
      return null;
    },
    getCache: async () => warmth.cache(),
    async close() {
      closing = true;
      clearTimeout(timer);
      await warmth.close();
    },
  };
}

/** A variable without a value keeps its braces in a preview. */
const dropEmpty = (values: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ""));

/** A content as lines that a reader can compare. */
function asText(content: TemplateContent): string {
  const { name, slug, description, system, examples, variables } = content;
  return [
    `${name} /${slug}`,
    ...(description === "" ? [] : [description]),
    "",
    system,
    ...examples.flatMap((turn) => ["", `${turn.role}: ${turn.content}`]),
    ...variables.map(({ name: each, type, required, default: usual, choices }) =>
      ["", `{{${each}}}`, type, required ? "required" : "optional", usual, choices.join(" | ")].join(" ").trim(),
    ),
  ].join("\n");
}
