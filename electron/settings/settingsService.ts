// The user's preferences: defaults from the contract, changes in one table. A stored value that this version does not
// know or cannot accept falls back to its default, key by key, and stays stored until it is changed.
import { defaultSettings, type Settings, settingsSchema } from "../contract/settings.ts";
import type { Publish, ServiceHandlers } from "../contract/ipc.ts";
import type { Database } from "../db/database.ts";
import { readSettings, writeSettings } from "../db/settings.ts";

export interface SettingsService extends ServiceHandlers<"settings"> {
  current(): Settings;
  change(values: Partial<Settings>): Settings;
}

type Key = keyof Settings;
const keys = Object.keys(defaultSettings) as Key[];

export function createSettingsService({
  database,
  publish,
}: {
  database: Database;
  publish: Publish;
}): SettingsService {
  let settings = load(database);

  function change(values: Partial<Settings>): Settings {
    const changed = keys.filter((key) => values[key] !== undefined);
    if (changed.length === 0) return settings;
    writeSettings(database, new Map(changed.map((key) => [key, JSON.stringify(values[key])])));
    settings = { ...settings, ...Object.fromEntries(changed.map((key) => [key, values[key]])) };
    publish("settings", "changed", settings);
    return settings;
  }

  return {
    current: () => settings,
    change,
    get: async () => settings,
    update: async (values) => change(values as Partial<Settings>),
  };
}

function load(database: Database): Settings {
  const stored = readSettings(database);
  const known = keys.flatMap((key): [Key, unknown][] => {
    const json = stored.get(key);
    if (json === undefined) return [];
    const parsed = settingsSchema.shape[key].safeParse(parseJson(json));
    return parsed.success ? [[key, parsed.data]] : [];
  });
  return { ...defaultSettings, ...Object.fromEntries(known) };
}

/** undefined, which no setting accepts, for what is not JSON. */
function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
