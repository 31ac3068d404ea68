// The conversation_steering table: one row per conversation that steers, or did.
import { type ConversationSteering, conversationSteeringSchema } from "../contract/steering.ts";
import type { Database } from "./database.ts";

/** Null: never steered, or by a version of the app that said it otherwise. */
export function findSteering(db: Database, conversationId: string): ConversationSteering | null {
  const row = db.first(
    db.build.selectFrom("conversation_steering").select("steering").where("conversation_id", "=", conversationId),
  );
  return row === undefined ? null : (conversationSteeringSchema.safeParse(JSON.parse(row.steering)).data ?? null);
}

/** Null forgets it. */
export function saveSteering(db: Database, conversationId: string, chosen: ConversationSteering | null): void {
  if (chosen === null) {
    db.run(db.build.deleteFrom("conversation_steering").where("conversation_id", "=", conversationId));
    return;
  }
  const steering = JSON.stringify(chosen);
  db.run(
    db.build
      .insertInto("conversation_steering")
      .values({ conversation_id: conversationId, steering })
      .onConflict((conflict) => conflict.column("conversation_id").doUpdateSet({ steering })),
  );
}
