// The settings table: raw JSON values by key; the settings service knows what they mean.
import type { Database } from "./database.ts";

export function readSettings(db: Database): Map<string, string> {
  return new Map(db.all(db.build.selectFrom("settings").selectAll()).map((row) => [row.key, row.value]));
}

/** All or none of the keys. @param values JSON text by key. */
export function writeSettings(db: Database, values: ReadonlyMap<string, string>): void {
  db.transaction(() => {
    for (const [key, value] of values) {
      db.run(
        db.build
          .insertInto("settings")
          .values({ key, value })
          .onConflict((conflict) => conflict.column("key").doUpdateSet({ value })),
      );
    }
  });
}
