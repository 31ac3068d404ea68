import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { defaultSettings } from "../contract/settings.ts";
import type { Database } from "../db/database.ts";
import { openDatabase } from "../db/openDatabase.ts";
import { readSettings } from "../db/settings.ts";
import { createSettingsService } from "./settingsService.ts";

let folder: string;
let database: Database;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "conclave-settings-"));
  database = openDatabase(folder).database;
});
afterEach(() => {
  database.close();
  rmSync(folder, { recursive: true });
});

describe("settings", () => {
  it("are the defaults at first, and stay changed after a restart", async () => {
    const publish = vi.fn();
    const service = createSettingsService({ database, publish });
    expect(await service.get({})).toEqual(defaultSettings);
    await service.update({ theme: "dark", sidebarWidth: 300 });
    expect(publish).toHaveBeenCalledExactlyOnceWith("settings", "changed", {
      ...defaultSettings,
      theme: "dark",
      sidebarWidth: 300,
    });
    expect(createSettingsService({ database, publish }).current()).toMatchObject({
      theme: "dark",
      sidebarWidth: 300,
      threads: 0,
    });
  });

  it("say nothing when nothing changes", async () => {
    const publish = vi.fn();
    await createSettingsService({ database, publish }).update({});
    expect(publish).not.toHaveBeenCalled();
  });

  it("fall back one by one where a stored value is wrong, and keep what they do not know", async () => {
    database.close();
    copyFileSync(
      join(import.meta.dirname, "../../test/fixtures/databases/schema-1.sqlite"),
      join(folder, "conclave.sqlite"),
    );
    database = openDatabase(folder).database;
    const service = createSettingsService({ database, publish: () => undefined });
    expect(service.current()).toEqual({ ...defaultSettings, theme: "dark" });
    await service.update({ threads: 2 });
    expect(readSettings(database).get("fromTheFuture")).toBe("1");
  });
});
