// How warm each template is for the model that is loaded, and the files that keep the computed beginnings: made when a
// template is chosen, found again after a restart, at most so many bytes, the least recently used going first. What a file
// holds and whether it may be used is the engine's to judge; here they are names, sizes and times.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Timings } from "../contract/chat.ts";
import type { PrefixCache, TemplateContent, Warmth } from "../contract/templates.ts";
import { toWire } from "../contract/errors.ts";
import type { Database } from "../db/database.ts";
import { addSaving, listSavings, listSnapshots, removeSnapshot, saveSnapshot } from "../db/templates.ts";
import type { EngineApi, TokenIds } from "../engine/engineApi.ts";
import { isKnown } from "../engine/prefixWarmer.ts";
import { warmVariants } from "./applying.ts";

const bytesPerMb = 1_000_000;
/** Fewer computed tokens say nothing about the speed of a prefill. */
const measurableTokens = 16;
const suffix = ".kv";

export interface WarmTemplate {
  readonly id: string;
  readonly version: number;
  readonly content: TemplateContent;
}

/** The model that a prefix is computed for; null: none is loaded. */
export interface WarmingModel {
  readonly id: string;
  /** null: not known yet, so nothing is kept on disk. */
  readonly sha256: string | null;
  /** Its keys and values lie in the same files; null: there is none. */
  readonly drafter: string | null;
  /** Of the chat template and other settings that change the prompt's tokens. */
  readonly form: string;
}

export interface WarmthDependencies {
  readonly database: Database;
  readonly engine: Pick<EngineApi, "commonTokens" | "knownPrefix" | "warmPrefix" | "status">;
  /** Where the files lie. */
  readonly folder: string;
  readonly capMb: () => number;
  readonly loadedModel: () => Promise<WarmingModel | null>;
  readonly log: (event: string, facts: Readonly<Record<string, string | number | null>>) => void;
  /** Some template's warmth is not what it was. */
  readonly onChange: () => void;
  readonly now: () => number;
}

export interface WarmthKeeper {
  of(templateId: string): Warmth;
  /** Asks the engine anew about all of these. */
  refresh(templates: readonly WarmTemplate[]): Promise<void>;
  /** @param compute false: only what is in memory or on disk. One at a time; the same again joins the first. */
  warm(template: WarmTemplate, compute: boolean): Promise<void>;
  tokens(content: TemplateContent): Promise<TokenIds | null>;
  /** A first answer has begun with the template: what it was spared. */
  used(template: WarmTemplate, timings: Pick<Timings, "promptTokens" | "reusedTokens" | "prefillMs">): void;
  /** Deletes the files of one template, or (null) of all. */
  forget(templateId: string | null): void;
  cache(): PrefixCache;
  close(): Promise<void>;
}

const unknown: Warmth = { state: "unknown", tokens: 0, bytes: 0, uses: 0, savedMs: 0 };

export function createWarmth(dependencies: WarmthDependencies): WarmthKeeper {
  const { database, engine, folder, log, now, onChange } = dependencies;
  const board = new Map<string, Pick<Warmth, "state" | "tokens" | "bytes">>();
  const encoded = new Map<string, TokenIds>();
  const underWay = new Map<string, Promise<void>>();
  /** Milliseconds of prefill per token, by template: what being warm spares. */
  const rates = new Map(listSnapshots(database).map((row) => [row.templateId, row.msPerToken]));
  let closing = false;

  tidy();

  /** Files without a row and rows without a file, as a crash or a deleted folder leaves them. */
  function tidy(): void {
    mkdirSync(folder, { recursive: true });
    const rows = new Map(listSnapshots(database).map((row) => [row.key, row]));
    const files = new Set(readdirSync(folder));
    for (const name of files) {
      if (!name.endsWith(suffix) || !rows.has(name.slice(0, -suffix.length)))
        rmSync(join(folder, name), { force: true });
    }
    for (const key of rows.keys()) if (!files.has(key + suffix)) removeSnapshot(database, key);
  }

  const fileOf = (key: string): string => join(folder, key + suffix);

  function drop(key: string): void {
    rmSync(fileOf(key), { force: true });
    removeSnapshot(database, key);
  }

  /** Keeps under the cap; the newest file goes last, but it goes too when it alone is too large. */
  function enforceCap(): void {
    const rows = listSnapshots(database);
    let bytes = rows.reduce((sum, row) => sum + row.bytes, 0);
    for (const row of rows) {
      if (bytes <= dependencies.capMb() * bytesPerMb) return;
      drop(row.key);
      noteForgotten(row.templateId);
      bytes -= row.bytes;
      log("prefix dropped", { templateId: row.templateId, bytes: row.bytes });
    }
  }

  function noteForgotten(id: string): void {
    const before = board.get(id);
    if (before !== undefined) note(id, before.state === "disk" ? "cold" : before.state, before.tokens, 0);
  }

  function keyOf(tokens: TokenIds, sha256: string, drafter: string | null): string {
    const { engineVersion, backend } = engine.status();
    const hash = createHash("sha256").update(JSON.stringify([sha256, engineVersion, backend, drafter]));
    return hash.update(new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength)).digest("hex");
  }

  async function tokensFor(content: TemplateContent, model: WarmingModel): Promise<TokenIds> {
    const variants = warmVariants(content);
    // Chat templates may spell out the day.
    const day = new Date(now()).toDateString();
    const key = JSON.stringify([model.id, model.form, day, variants]);
    const before = encoded.get(key);
    if (before !== undefined) return before;
    const tokens = await engine.commonTokens(...variants);
    if (encoded.size > 200) encoded.clear();
    encoded.set(key, tokens);
    return tokens;
  }

  function place(tokens: TokenIds, model: WarmingModel): { key: string; sha256: string } | null {
    if (model.sha256 === null || model.sha256 === "" || dependencies.capMb() === 0) return null;
    return { key: keyOf(tokens, model.sha256, model.drafter), sha256: model.sha256 };
  }

  function bytesOf(key: string): number {
    return statSync(fileOf(key), { throwIfNoEntry: false })?.size ?? 0;
  }

  function note(id: string, state: Warmth["state"], tokens: number, bytes: number): void {
    const before = board.get(id);
    if (before?.state === state && before.tokens === tokens && before.bytes === bytes) return;
    board.set(id, { state, tokens, bytes });
    onChange();
  }

  async function look(template: WarmTemplate, model: WarmingModel): Promise<void> {
    if (underWay.has(template.id)) return;
    const tokens = await tokensFor(template.content, model);
    const known = await engine.knownPrefix(tokens);
    const at = place(tokens, model);
    const bytes = at === null ? 0 : bytesOf(at.key);
    const inMemory = isKnown(tokens, known);
    note(template.id, inMemory ? "memory" : bytes > 0 ? "disk" : "cold", tokens.length, bytes);
  }

  async function warmNow(template: WarmTemplate, compute: boolean): Promise<void> {
    const model = await dependencies.loadedModel();
    if (model === null || closing) return;
    const tokens = await tokensFor(template.content, model);
    if (tokens.length === 0) return note(template.id, "cold", 0, 0);
    const at = place(tokens, model);
    if (compute) note(template.id, "warming", tokens.length, board.get(template.id)?.bytes ?? 0);
    const request = { tokens, file: at === null ? null : fileOf(at.key), modelSha256: at?.sha256 ?? "", compute };
    const warmed = await engine.warmPrefix(request);
    if (warmed.source === "computed" && tokens.length >= measurableTokens)
      rates.set(template.id, warmed.ms / tokens.length);
    if (warmed.trouble !== null) log("prefix file not used", { templateId: template.id, reason: warmed.trouble });
    if (at !== null && warmed.bytes > 0) {
      saveSnapshot(database, {
        key: at.key,
        templateId: template.id,
        modelSha256: at.sha256,
        tokens: tokens.length,
        bytes: warmed.bytes,
        msPerToken: rates.get(template.id) ?? 0,
        lastUsedAt: now(),
      });
      enforceCap();
    } else if (at !== null) {
      drop(at.key);
    }
    const bytes = at === null ? 0 : bytesOf(at.key);
    note(template.id, warmed.source === "none" ? "cold" : "memory", tokens.length, bytes);
    const { source, ms } = warmed;
    log("prefix warmed", { templateId: template.id, source, tokens: tokens.length, bytes, ms: Math.round(ms) });
  }

  return {
    of(templateId) {
      const savings = listSavings(database).get(templateId);
      return { ...unknown, ...board.get(templateId), ...savings };
    },
    async refresh(templates) {
      // A question about warmth is no reason to start an engine that has stopped.
      const runs = !["stopped", "crashed", "given-up"].includes(engine.status().state);
      const model = runs ? await dependencies.loadedModel() : null;
      for (const template of templates) {
        if (closing) return;
        if (model === null) note(template.id, "unknown", 0, 0);
        else await look(template, model);
      }
    },
    warm(template, compute) {
      const before = underWay.get(template.id);
      if (before !== undefined) return before;
      const work = warmNow(template, compute)
        .catch((error: unknown) => {
          const { code, message } = toWire(error);
          board.delete(template.id);
          onChange();
          log("prefix not warmed", { templateId: template.id, code, error: message });
        })
        .finally(() => underWay.delete(template.id));
      underWay.set(template.id, work);
      return work;
    },
    async tokens(content) {
      const model = await dependencies.loadedModel();
      return model === null ? null : tokensFor(content, model);
    },
    used(template, { promptTokens, reusedTokens, prefillMs }) {
      const computed = promptTokens - reusedTokens;
      if (computed >= measurableTokens && !rates.has(template.id)) rates.set(template.id, prefillMs / computed);
      const spared = Math.min(reusedTokens, board.get(template.id)?.tokens ?? 0) * (rates.get(template.id) ?? 0);
      if (spared <= 0) return;
      addSaving(database, template.id, spared);
      onChange();
    },
    forget(templateId) {
      for (const row of listSnapshots(database)) {
        if (templateId === null || row.templateId === templateId) drop(row.key);
      }
      for (const id of templateId === null ? board.keys() : [templateId]) noteForgotten(id);
    },
    cache() {
      const rows = listSnapshots(database);
      const bytes = rows.reduce((sum, row) => sum + row.bytes, 0);
      return { bytes, capBytes: dependencies.capMb() * bytesPerMb, files: rows.length };
    },
    async close() {
      closing = true;
      await Promise.all(underWay.values());
    },
  };
}
