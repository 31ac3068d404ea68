import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { TemplateContent } from "../../contract/templates.ts";
import { findConversation, listConversations, purgeConversations, updateConversation } from "../conversations.ts";
import type { Database } from "../database.ts";
import { listMessages } from "../messages.ts";
import { openDatabase } from "../openDatabase.ts";
import {
  addSaving,
  findApplied,
  findTemplate,
  findVersion,
  listSavings,
  listSnapshots,
  listTemplates,
  listVersions,
  removeSnapshot,
  saveApplied,
  saveSnapshot,
  saveTemplate,
  setTemplateDeleted,
  slugOwner,
  slugQuery,
  snapshotsQuery,
} from "../templates.ts";

const schema1 = join(import.meta.dirname, "../../../test/fixtures/databases/schema-1.sqlite");
let folder: string;
let db: Database;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "conclave-0004-"));
  copyFileSync(schema1, join(folder, "conclave.sqlite"));
  db = openDatabase(folder).database;
});
afterEach(() => {
  db.close();
  rmSync(folder, { recursive: true });
});

const content = (slug: string, system = "x"): TemplateContent => ({
  name: slug,
  slug,
  description: "",
  system,
  examples: [],
  variables: [],
});
const save = (id: string, version: number, slug: string, system?: string): void =>
  saveTemplate(db, { id, version, content: content(slug, system), shipped: false, time: version });
const applied = { templateId: "t", version: 1, name: "T", values: { animal: "{{fox}}" } };

describe("a database from before templates", () => {
  it("keeps every row, and runs without a template say so", () => {
    expect(listConversations(db).map(({ id }) => id)).toEqual(["c1", "c2"]);
    expect(listMessages(db, "c1")).toHaveLength(5);
    expect(listTemplates(db)).toEqual([]);
    expect(findApplied(db, "c1")).toBeNull();
  });
});

describe("templates", () => {
  it("keep every version, and the newest is the template", () => {
    save("t", 1, "a", "one");
    save("t", 2, "b", "two");
    expect(findTemplate(db, "t")).toMatchObject({
      version: 2,
      createdAt: 1,
      updatedAt: 2,
      content: content("b", "two"),
    });
    expect(listVersions(db, "t").map(({ version }) => version)).toEqual([2, 1]);
    expect(findVersion(db, "t", 1)).toEqual(content("a", "one"));
    expect(findVersion(db, "t", 3)).toBeUndefined();
    expect([slugOwner(db, "a"), slugOwner(db, "b")]).toEqual([undefined, "t"]);
  });

  it("share no short name, unless one of them is deleted", () => {
    save("t", 1, "a");
    expect(() => save("u", 1, "a")).toThrow();
    expect(findTemplate(db, "u", true)).toBeUndefined();
    setTemplateDeleted(db, "t", 5);
    save("u", 1, "a");
    expect(listTemplates(db).map(({ id }) => id)).toEqual(["u"]);
    expect(findTemplate(db, "t")).toBeUndefined();
    expect(findTemplate(db, "t", true)?.content.slug).toBe("a");
    expect(() => setTemplateDeleted(db, "t", null)).toThrow();
    setTemplateDeleted(db, "t", null, "a-2");
    expect(slugOwner(db, "a-2")).toBe("t");
  });

  it("are found by short name and by use through an index", () => {
    expect(db.plan(slugQuery(db, "a"))).toContain("templates_by_slug");
    expect(db.plan(snapshotsQuery(db))).toContain("prefix_snapshots_by_use");
  });
});

describe("a conversation's template", () => {
  it("is replaced, taken away, and goes with the conversation", () => {
    saveApplied(db, "c1", applied);
    saveApplied(db, "c1", { ...applied, version: 2 });
    expect(findApplied(db, "c1")).toEqual({ ...applied, version: 2 });
    saveApplied(db, "c1", null);
    expect(findApplied(db, "c1")).toBeNull();
    saveApplied(db, "c2", applied);
    updateConversation(db, "c2", { deletedAt: 1 });
    purgeConversations(db, 2);
    expect(findConversation(db, "c2", true)).toBeUndefined();
    expect(findApplied(db, "c2")).toBeNull();
  });
});

describe("what is kept computed", () => {
  it("is listed with the least recently used first, and adds up what it spared", () => {
    const snapshot = { templateId: "t", modelSha256: "", tokens: 64, bytes: 10, msPerToken: 0.5 };
    saveSnapshot(db, { ...snapshot, key: "k1", lastUsedAt: 2 });
    saveSnapshot(db, { ...snapshot, key: "k2", lastUsedAt: 1 });
    expect(listSnapshots(db).map(({ key }) => key)).toEqual(["k2", "k1"]);
    saveSnapshot(db, { ...snapshot, key: "k2", lastUsedAt: 3 });
    expect(listSnapshots(db).map(({ key }) => key)).toEqual(["k1", "k2"]);
    removeSnapshot(db, "k1");
    expect(listSnapshots(db)).toEqual([{ ...snapshot, key: "k2", lastUsedAt: 3 }]);
    addSaving(db, "t", 1.5);
    addSaving(db, "t", 2);
    expect(listSavings(db).get("t")).toEqual({ uses: 2, savedMs: 3.5 });
  });
});
