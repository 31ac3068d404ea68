// The folders table. A conversation is in one folder or in none; deleting a folder leaves its conversations.
import type { Folder } from "../contract/library.ts";
import type { Database } from "./database.ts";

export function listFolders(db: Database): Folder[] {
  return db
    .all(db.build.selectFrom("folders").selectAll().orderBy("name").orderBy("created_at"))
    .map(({ id, name, created_at: createdAt }) => ({ id, name, createdAt }));
}

export function insertFolder(db: Database, { id, name, createdAt }: Folder): void {
  db.run(db.build.insertInto("folders").values({ id, name, created_at: createdAt }));
}

/** @returns whether there is such a folder. */
export function renameFolder(db: Database, id: string, name: string): boolean {
  return db.run(db.build.updateTable("folders").set({ name }).where("id", "=", id)) > 0;
}

/** @returns whether there was such a folder. */
export function deleteFolder(db: Database, id: string): boolean {
  return db.run(db.build.deleteFrom("folders").where("id", "=", id)) > 0;
}
