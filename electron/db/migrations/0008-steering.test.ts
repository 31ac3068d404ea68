import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ConversationSteering } from "../../contract/steering.ts";
import { listConversations, purgeConversations, updateConversation } from "../conversations.ts";
import type { Database } from "../database.ts";
import { listMessages } from "../messages.ts";
import { openDatabase } from "../openDatabase.ts";
import { findSteering, saveSteering } from "../steering.ts";

const schema1 = join(import.meta.dirname, "../../../test/fixtures/databases/schema-1.sqlite");
let folder: string;
let db: Database;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "conclave-0008-"));
  copyFileSync(schema1, join(folder, "conclave.sqlite"));
  db = openDatabase(folder).database;
});
afterEach(() => {
  db.close();
  rmSync(folder, { recursive: true });
});

const steering: ConversationSteering = {
  on: true,
  steering: { modelId: "m", expertsUsed: 1, biases: [{ layer: 0, expert: 3, bias: null }] },
};

describe("a database from before steering", () => {
  it("keeps every row, and no conversation steers", () => {
    expect(listConversations(db).map(({ id }) => id)).toEqual(["c1", "c2"]);
    expect(listMessages(db, "c1")).toHaveLength(5);
    expect(findSteering(db, "c1")).toBeNull();
  });
  it("keeps one steering per conversation, which goes with it", () => {
    saveSteering(db, "c1", { ...steering, on: false });
    saveSteering(db, "c1", steering);
    expect(findSteering(db, "c1")).toEqual(steering);
    expect(findSteering(db, "c2")).toBeNull();
    saveSteering(db, "c2", steering);
    saveSteering(db, "c2", null);
    expect(findSteering(db, "c2")).toBeNull();
    updateConversation(db, "c1", { deletedAt: 1 });
    purgeConversations(db, 2);
    expect(findSteering(db, "c1")).toBeNull();
  });
});
