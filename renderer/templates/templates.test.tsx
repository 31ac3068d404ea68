// Templates as the user meets them: found with a slash, asked for their values, edited without losing what was typed.
import { act, cleanup, render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Template, TemplateContent, TemplatePreview } from "../../electron/contract/templates.ts";

const templates = vi.hoisted(() => ({
  list: vi.fn(),
  save: vi.fn(),
  remove: vi.fn(),
  restore: vi.fn(),
  history: vi.fn(),
  diff: vi.fn(),
  restoreVersion: vi.fn(),
  preview: vi.fn(),
  exportTemplates: vi.fn(),
  importTemplates: vi.fn(),
  apply: vi.fn(),
  clearApplied: vi.fn(),
  getApplied: vi.fn(),
  warm: vi.fn(),
  forget: vi.fn(),
  getCache: vi.fn(),
  on: vi.fn(() => () => {}),
}));
vi.mock("../platform/client.ts", () => ({ client: { templates }, onConnection: () => () => {}, inBrowser: true }));
const offerUndo = vi.hoisted(() => vi.fn<(message: string, undo: () => Promise<void>) => void>());
const undo = async (): Promise<void> => offerUndo.mock.calls[0]?.[1]();
vi.mock("../platform/toasts.ts", () => ({
  offerUndo,
  reportError: (error: unknown) => {
    throw error;
  },
}));
const { matchingTemplates, slashQuery } = await import("./SlashMenu.tsx");
const { cardsOf } = await import("./TemplateCards.tsx");
const { slugFrom, clearTemplate } = await import("./templateActions.ts");
const { TemplateForm } = await import("./TemplateForm.tsx");
const { TemplatesDialog } = await import("./TemplatesDialog.tsx");
const { useTemplates } = await import("./templatesStore.ts");
const { warmFacts } = await import("./WarmBadge.tsx");

const content = (change: Partial<TemplateContent> = {}): TemplateContent => ({
  name: "Fable",
  slug: "fable",
  description: "Short ones",
  system: "A fable about {{animal}}.",
  examples: [],
  variables: [
    { name: "animal", label: "Animal", type: "text", default: "", required: true, choices: [] },
    { name: "mood", label: "Mood", type: "choice", default: "calm", required: false, choices: ["calm", "wild"] },
  ],
  ...change,
});
const template = (id: string, change: Partial<TemplateContent> = {}, uses = 0): Template => ({
  id,
  version: 1,
  content: content({ slug: id, ...change }),
  shipped: false,
  createdAt: 0,
  updatedAt: 0,
  warmth: { state: "disk", tokens: 1200, bytes: 4_100_000, uses, savedMs: uses * 800 },
});
const preview: TemplatePreview = {
  system: "A fable about {{animal}}.",
  examples: [],
  problems: [],
  missing: {},
  undeclared: [],
  builtIns: [],
  tokens: 12,
  warmTokens: 5,
  warmEnd: { part: "system", offset: 14 },
  reordered: null,
};

beforeEach(() => {
  vi.clearAllMocks();
  templates.preview.mockResolvedValue(preview);
  templates.getCache.mockResolvedValue({ bytes: 4_100_000, capBytes: 2e9, files: 1 });
  useTemplates.setState({ list: [], applied: {}, dialogOpen: false, selected: null, edits: {}, formId: null });
});
afterEach(cleanup);

describe("the slash", () => {
  it("opens the list only as the first thing written, and only for a short name", () => {
    expect(["/", "/Tu", "/a-b", "x/", "/a b", "//", "", "/a\n"].map(slashQuery)).toEqual([
      "",
      "tu",
      "a-b",
      ...Array.from({ length: 5 }, () => null),
    ]);
  });
  it("finds short names that begin so before names that contain it", () => {
    const list = [
      template("zebra", { name: "Tale" }),
      template("tale", { name: "X" }),
      template("other", { name: "Y" }),
    ];
    expect(matchingTemplates(list, "ta").map(({ id }) => id)).toEqual(["tale", "zebra"]);
    expect(
      matchingTemplates(
        Array.from({ length: 60 }, (_, n) => template(`t${n}`)),
        "",
      ),
    ).toHaveLength(50);
  });
});

describe("words and order", () => {
  it("make a short name of any name", () => {
    expect(["Fable Maker", " Émile & Co! ", "日本"].map(slugFrom)).toEqual(["fable-maker", "emile-co", ""]);
  });
  it("put what is used most on the cards, then the best of the shipped", () => {
    const list = [
      template("email"),
      template("tutor"),
      template("translator"),
      template("mine", {}, 3),
      template("review"),
    ];
    expect(cardsOf(list).map(({ id }) => id)).toEqual(["mine", "translator", "review", "tutor"]);
  });
  it("say what warmth is worth", () => {
    expect(warmFacts(template("a", {}, 2).warmth)).toBe(
      "1,200 tokens ahead · 4.10 MB on disk · 1.6 s saved in 2 chats",
    );
    expect(warmFacts({ state: "cold", tokens: 0, bytes: 0, uses: 0, savedMs: 0 })).toBe("");
  });
});

describe("the form", () => {
  it("asks for what is missing before it uses the template, and Esc gives up", async () => {
    const user = userEvent.setup();
    const onUse = vi.fn(async () => {});
    const onCancel = vi.fn();
    render(<TemplateForm template={template("fable")} values={{ mood: "wild" }} onUse={onUse} onCancel={onCancel} />);
    const animal = screen.getByLabelText("Animal");
    expect(document.activeElement).toBe(animal);
    await user.keyboard("{Enter}");
    expect(onUse).not.toHaveBeenCalled();
    expect(animal.getAttribute("aria-invalid")).toBe("true");
    await user.type(animal, "owl{Enter}");
    expect(onUse).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ animal: "owl", mood: "wild" }));
    await user.keyboard("{Escape}");
    expect(onCancel).toHaveBeenCalledOnce();
  });
});

describe("a conversation's template", () => {
  it("is taken away with a way back", async () => {
    const applied = { templateId: "fable", version: 1, name: "Fable", values: { animal: "owl" } };
    useTemplates.setState({ applied: { c1: applied } });
    templates.clearApplied.mockResolvedValue(null);
    templates.apply.mockResolvedValue(applied);
    await clearTemplate("c1");
    expect(useTemplates.getState().applied["c1"]).toBeNull();
    await undo();
    expect(templates.apply).toHaveBeenCalledWith({
      conversationId: "c1",
      templateId: "fable",
      values: { animal: "owl" },
    });
    expect(useTemplates.getState().applied["c1"]).toEqual(applied);
  });
});

describe("the dialog", () => {
  const openWith = async (list: Template[], selected: string): Promise<HTMLElement> => {
    useTemplates.setState({ list, selected, dialogOpen: true });
    render(<TemplatesDialog onUse={vi.fn()} />);
    await waitFor(() => expect(templates.preview).toHaveBeenCalled());
    return screen.getByRole("dialog", { name: "Templates" });
  };

  it("keeps what was typed while another template is looked at, and saves it as it stands", async () => {
    const user = userEvent.setup();
    const dialog = await openWith([template("fable"), template("other", { name: "Other" })], "fable");
    await user.type(within(dialog).getByLabelText("Description"), "!");
    await user.click(within(dialog).getByRole("button", { name: /^Other/u }));
    expect(within(dialog).getByLabelText("Name")).toHaveProperty("value", "Other");
    await user.click(within(dialog).getByRole("button", { name: /^Fable \(unsaved\)/u }));
    expect(within(dialog).getByLabelText("Description")).toHaveProperty("value", "Short ones!");
    templates.save.mockResolvedValue({ ...template("fable", { description: "Short ones!" }), version: 2 });
    await user.click(within(dialog).getByRole("button", { name: "Save" }));
    expect(templates.save).toHaveBeenCalledWith({ id: "fable", content: content({ description: "Short ones!" }) });
    expect(useTemplates.getState().edits).toEqual({});
  });

  it("does not save what has problems, and says them", async () => {
    const user = userEvent.setup();
    templates.preview.mockResolvedValue({ ...preview, problems: ["It is wrong."], undeclared: ["place"] });
    const dialog = await openWith([template("fable")], "fable");
    await user.type(within(dialog).getByLabelText("System text"), "x");
    await screen.findByText("It is wrong.");
    expect(within(dialog).getByRole("button", { name: "Save" })).toHaveProperty("disabled", true);
    await user.click(within(dialog).getByRole("button", { name: "Declare place" }));
    expect(within(dialog).getByLabelText("Name of place")).toHaveProperty("value", "place");
    await user.click(within(dialog).getByRole("button", { name: "Revert" }));
    expect(useTemplates.getState().edits).toEqual({});
  });

  it("deletes at once with a way back, and forgets what is kept", async () => {
    const user = userEvent.setup();
    templates.remove.mockResolvedValue(null);
    templates.forget.mockResolvedValue(null);
    const dialog = await openWith([template("fable")], "fable");
    await user.click(within(dialog).getByRole("button", { name: "Forget what is kept of Fable" }));
    await user.click(within(dialog).getByRole("button", { name: "Forget all that is kept" }));
    expect(templates.forget.mock.calls).toEqual([[{ id: "fable" }], [{ id: null }]]);
    await user.click(within(dialog).getByRole("button", { name: "Delete Fable" }));
    await waitFor(() => expect(offerUndo).toHaveBeenCalled());
    expect(dialog.textContent).toContain("Choose a template");
    await act(undo);
    expect(templates.restore).toHaveBeenCalledWith({ id: "fable" });
  });

  it("marks the part of the text that stays computed", async () => {
    const dialog = await openWith([template("fable")], "fable");
    await waitFor(() => expect(dialog.querySelector("[aria-hidden] > span")?.textContent).toBe("A fable about "));
    expect(dialog.textContent).toContain("5 of 12 tokens are computed once and kept");
  });
});
