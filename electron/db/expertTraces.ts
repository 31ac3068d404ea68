// The expert_traces table: one compact blob per answer; what is in it is the experts service's business.
import type { Database } from "./database.ts";

export function saveTrace(db: Database, messageId: string, trace: Uint8Array): void {
  db.run(
    db.build
      .insertInto("expert_traces")
      .values({ message_id: messageId, trace })
      .onConflict((conflict) => conflict.column("message_id").doUpdateSet({ trace })),
  );
}

export function readTrace(db: Database, messageId: string): Uint8Array | undefined {
  return db.first(db.build.selectFrom("expert_traces").select("trace").where("message_id", "=", messageId))?.trace;
}
