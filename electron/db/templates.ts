// The tables of prompt-prefix templates: their versions, which conversation began with which, and what is kept computed.
import type { Selectable } from "kysely";
import { type AppliedTemplate, valuesSchema } from "../contract/chat.ts";
import {
  type Template,
  type TemplateContent,
  templateContentSchema,
  type TemplateVersion,
} from "../contract/templates.ts";
import type { Database } from "./database.ts";
import type { ConversationTemplatesTable, PrefixSnapshotsTable } from "./schema.ts";

/** A template as stored: how warm it is, is not a stored fact. */
export type StoredTemplate = Omit<Template, "warmth">;

const templatesQuery = (db: Database) =>
  db.build
    .selectFrom("templates")
    .innerJoin("template_versions", (join) =>
      join
        .onRef("template_versions.template_id", "=", "templates.id")
        .onRef("template_versions.version", "=", "templates.version"),
    )
    .select(["templates.id", "templates.version", "shipped", "templates.created_at", "updated_at", "content"]);

type Row = ReturnType<typeof templatesQuery> extends { executeTakeFirst(): Promise<infer R> } ? NonNullable<R> : never;

function toTemplates(row: Row): StoredTemplate[] {
  const content = contentOf(row.content);
  if (content === undefined) return [];
  return [
    {
      id: row.id,
      version: row.version,
      content,
      shipped: row.shipped === 1,
      createdAt: row.created_at,
      updatedAt: row.updated_at,
    },
  ];
}

/** undefined: written by a version that this one does not understand. */
function contentOf(json: string): TemplateContent | undefined {
  return templateContentSchema.safeParse(parseJson(json)).data;
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Without the deleted ones, by slug. */
export function listTemplates(db: Database): StoredTemplate[] {
  return db.all(templatesQuery(db).where("deleted_at", "is", null).orderBy("slug")).flatMap(toTemplates);
}

/** Also finds a deleted one when `deleted` is true. */
export function findTemplate(db: Database, id: string, deleted = false): StoredTemplate | undefined {
  const query = templatesQuery(db).where("templates.id", "=", id);
  const row = db.first(deleted ? query : query.where("deleted_at", "is", null));
  return row === undefined ? undefined : toTemplates(row)[0];
}

/** True also for a deleted one: a shipped template that the user removed does not come back by itself. */
export function hasTemplate(db: Database, id: string): boolean {
  return db.first(db.build.selectFrom("templates").select("id").where("id", "=", id)) !== undefined;
}

export const slugQuery = (db: Database, slug: string) =>
  db.build.selectFrom("templates").select("id").where("slug", "=", slug).where("deleted_at", "is", null);

/** Id of the template that has the slug. */
export function slugOwner(db: Database, slug: string): string | undefined {
  return db.first(slugQuery(db, slug))?.id;
}

/** Writes `content` as version `version`, the newest one, of a template that may be new. */
export function saveTemplate(
  db: Database,
  template: { id: string; version: number; content: TemplateContent; shipped: boolean; time: number },
): void {
  const { id, version, content, shipped, time } = template;
  const change = { slug: content.slug, version, updated_at: time };
  db.transaction(() => {
    db.run(
      db.build
        .insertInto("templates")
        .values({ id, ...change, shipped: shipped ? 1 : 0, created_at: time, deleted_at: null })
        .onConflict((conflict) => conflict.column("id").doUpdateSet(change)),
    );
    db.run(
      db.build
        .insertInto("template_versions")
        .values({ template_id: id, version, content: JSON.stringify(content), created_at: time }),
    );
  });
}

export function setTemplateDeleted(db: Database, id: string, deletedAt: number | null, slug?: string): void {
  db.run(
    db.build
      .updateTable("templates")
      .set({ deleted_at: deletedAt, ...(slug === undefined ? {} : { slug }) })
      .where("id", "=", id),
  );
}

/** Newest first. */
export function listVersions(db: Database, id: string): TemplateVersion[] {
  const rows = db.all(
    db.build.selectFrom("template_versions").selectAll().where("template_id", "=", id).orderBy("version", "desc"),
  );
  return rows.flatMap((row) => {
    const content = contentOf(row.content);
    return content === undefined ? [] : [{ version: row.version, createdAt: row.created_at, content }];
  });
}

/** Also of a deleted template: a run's record outlives it. */
export function findVersion(db: Database, id: string, version: number): TemplateContent | undefined {
  const row = db.first(
    db.build
      .selectFrom("template_versions")
      .select("content")
      .where("template_id", "=", id)
      .where("version", "=", version),
  );
  return row === undefined ? undefined : contentOf(row.content);
}

function toApplied(row: Selectable<ConversationTemplatesTable>): AppliedTemplate | null {
  const values = valuesSchema.safeParse(parseJson(row.template_values)).data;
  return values === undefined ? null : { templateId: row.template_id, version: row.version, name: row.name, values };
}

export function findApplied(db: Database, conversationId: string): AppliedTemplate | null {
  const row = db.first(
    db.build.selectFrom("conversation_templates").selectAll().where("conversation_id", "=", conversationId),
  );
  return row === undefined ? null : toApplied(row);
}

/** null takes the template away. */
export function saveApplied(db: Database, conversationId: string, applied: AppliedTemplate | null): void {
  if (applied === null) {
    db.run(db.build.deleteFrom("conversation_templates").where("conversation_id", "=", conversationId));
    return;
  }
  const change = {
    template_id: applied.templateId,
    version: applied.version,
    name: applied.name,
    template_values: JSON.stringify(applied.values),
  };
  db.run(
    db.build
      .insertInto("conversation_templates")
      .values({ conversation_id: conversationId, ...change })
      .onConflict((conflict) => conflict.column("conversation_id").doUpdateSet(change)),
  );
}

export interface PrefixSnapshot {
  readonly key: string;
  readonly templateId: string;
  readonly modelSha256: string;
  readonly tokens: number;
  readonly bytes: number;
  /** Of computing it; 0: not known. */
  readonly msPerToken: number;
  readonly lastUsedAt: number;
}

const toSnapshot = (row: Selectable<PrefixSnapshotsTable>): PrefixSnapshot => ({
  key: row.key,
  templateId: row.template_id,
  modelSha256: row.model_sha256,
  tokens: row.tokens,
  bytes: row.bytes,
  msPerToken: row.ms_per_token,
  lastUsedAt: row.last_used_at,
});

export const snapshotsQuery = (db: Database) =>
  db.build.selectFrom("prefix_snapshots").selectAll().orderBy("last_used_at");

/** Least recently used first. */
export function listSnapshots(db: Database): PrefixSnapshot[] {
  return db.all(snapshotsQuery(db)).map(toSnapshot);
}

export function saveSnapshot(db: Database, snapshot: PrefixSnapshot): void {
  const row = {
    key: snapshot.key,
    template_id: snapshot.templateId,
    model_sha256: snapshot.modelSha256,
    tokens: snapshot.tokens,
    bytes: snapshot.bytes,
    ms_per_token: snapshot.msPerToken,
    last_used_at: snapshot.lastUsedAt,
  };
  db.run(
    db.build
      .insertInto("prefix_snapshots")
      .values(row)
      .onConflict((conflict) => conflict.column("key").doUpdateSet(row)),
  );
}

export function removeSnapshot(db: Database, key: string): void {
  db.run(db.build.deleteFrom("prefix_snapshots").where("key", "=", key));
}

export interface Savings {
  readonly uses: number;
  readonly savedMs: number;
}

export function listSavings(db: Database): Map<string, Savings> {
  const rows = db.all(db.build.selectFrom("template_savings").selectAll());
  return new Map(rows.map((row) => [row.template_id, { uses: row.uses, savedMs: row.saved_ms }]));
}

export function addSaving(db: Database, templateId: string, savedMs: number): void {
  db.run(
    db.build
      .insertInto("template_savings")
      .values({ template_id: templateId, uses: 1, saved_ms: savedMs })
      .onConflict((conflict) =>
        conflict.column("template_id").doUpdateSet((row) => ({
          uses: row("template_savings.uses", "+", 1),
          saved_ms: row("template_savings.saved_ms", "+", savedMs),
        })),
      ),
  );
}
