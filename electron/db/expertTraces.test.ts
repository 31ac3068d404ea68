import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { defaultSampler } from "../contract/chat.ts";
import { openTestDatabase } from "../../test/fixtures/testDatabase.ts";
import { insertConversation, updateConversation } from "./conversations.ts";
import {
  countTracedAnswers,
  deleteTraces,
  listTracedAnswers,
  readTrace,
  saveTrace,
  tracedAnswersQuery,
  tracesByMessage,
  traceStorage,
} from "./expertTraces.ts";
import { insertMessage, setMessageDeleted } from "./messages.ts";
import { insertRun } from "./runs.ts";

let test: ReturnType<typeof openTestDatabase>;

function answer(id: string, conversationId: string, bytes: number, modelId = "m"): void {
  insertMessage(test.database, {
    id,
    conversationId,
    parentId: null,
    role: "assistant",
    state: "complete",
    createdAt: 1,
    text: id,
  });
  const model = { modelId, modelName: "M", modelSha256: "", templateId: "model" };
  insertRun(test.database, {
    id: `run-${id}`,
    messageId: id,
    ...model,
    sampler: defaultSampler,
    seed: 1,
    draft: null,
    startedAt: 1,
  });
  saveTrace(test.database, id, new Uint8Array(bytes));
}

beforeEach(() => {
  test = openTestDatabase();
  for (const id of ["c1", "c2"]) insertConversation(test.database, { id, title: id, createdAt: 1 });
  answer("a", "c1", 100);
  answer("b", "c1", 20);
  answer("c", "c2", 3);
  answer("d", "c2", 5, "other");
});
afterEach(() => test.remove());

describe("traces", () => {
  it("say what they take and go, of one conversation or of all", () => {
    const { database: db } = test;
    expect([traceStorage(db, "c1"), traceStorage(db, null)]).toEqual([
      { answers: 2, bytes: 120 },
      { answers: 4, bytes: 128 },
    ]);
    expect(deleteTraces(db, "c1")).toBe(2);
    expect([readTrace(db, "a"), readTrace(db, "c")?.length]).toEqual([undefined, 3]);
    expect(deleteTraces(db, null)).toBe(2);
    expect(traceStorage(db, null)).toEqual({ answers: 0, bytes: 0 });
  });
  it("go into a file newest first, as far as there is room", () => {
    expect([...tracesByMessage(test.database, "c1", 120).keys()]).toEqual(["b", "a"]);
    expect([...tracesByMessage(test.database, "c1", 119).keys()]).toEqual(["b"]);
    expect([...tracesByMessage(test.database, "c1", 0).keys()]).toEqual([]);
  });
  it("are listed by model, newest first, without what was deleted", () => {
    const { database: db } = test;
    const listed = (): string[] => listTracedAnswers(db, "m", 10, false).map(({ messageId }) => messageId);
    expect(listed()).toEqual(["c", "b", "a"]);
    expect(listTracedAnswers(db, "m", 1, true)).toMatchObject([
      { messageId: "c", title: "c2", text: "c", folder: null },
    ]);
    setMessageDeleted(db, "b", 5);
    expect(listed()).toEqual(["c", "a"]);
    updateConversation(db, "c2", { deletedAt: 5 });
    expect([listed(), countTracedAnswers(db, "m")]).toEqual([["a"], 1]);
  });
  it("are found by their model, without a look at the others", () => {
    const plan = test.database.plan(tracedAnswersQuery(test.database, "m", 10));
    expect(plan).toContain("SEARCH runs USING INDEX runs_by_model");
    expect(plan).not.toContain("SCAN");
  });
});
