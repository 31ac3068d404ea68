import { describe, expect, it } from "vitest";
import type { Run } from "../../../electron/contract/chat.ts";
import { messageOf, runOf } from "../testMessages.ts";
import { markersOf } from "./markers.ts";

const made = (id: string, run: Run | null) => messageOf({ id, run });
const prompt = runOf().prompt as NonNullable<Run["prompt"]>;
const template = { templateId: "t", version: 1, name: "Tutor", values: {} };

describe("markers", () => {
  it("stand at the first answer that was made another way", () => {
    const branch = [
      made("a1", runOf()),
      made("a2", runOf()),
      made("a3", runOf({ modelId: "n", modelName: "Large" })),
      made("a4", runOf({ modelId: "n", modelName: "Large" })),
      made("a5", runOf({ sampler: { ...runOf().sampler, temperature: 0.2 } })),
    ];
    expect([...markersOf(branch)]).toEqual([
      ["a3", [{ kind: "model", name: "Large" }]],
      [
        "a5",
        [
          { kind: "model", name: "Tiny" },
          { kind: "settings", changes: [{ key: "temperature", from: 0.8, to: 0.2 }], systemPrompt: false },
        ],
      ],
    ]);
  });

  it("say when a template comes and goes, and not that its words changed the system prompt", () => {
    const branch = [
      made("a1", runOf({ prompt: { ...prompt, template, systemPrompt: "Teach." } })),
      made("a2", runOf()),
      made("a3", runOf({ prompt: { ...prompt, systemPrompt: "Be brief." } })),
    ];
    expect([...markersOf(branch)]).toEqual([
      ["a1", [{ kind: "template", name: "Tutor" }]],
      ["a2", [{ kind: "template", name: null }]],
      ["a3", [{ kind: "settings", changes: [], systemPrompt: true }]],
    ]);
  });

  it("stay away where nothing is known of one of the two, and a summary is no change of settings", () => {
    const branch = [
      made("a1", runOf({ prompt: null })),
      made("a2", runOf()),
      made("edited", null),
      made("a3", runOf({ prompt: { ...prompt, systemPrompt: "In short: …", summaryId: "s" } })),
    ];
    expect(markersOf(branch).size).toBe(0);
  });
});
