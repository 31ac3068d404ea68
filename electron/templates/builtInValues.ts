// Pure: values of the built-in variables. What the page alone knows (clipboard, selection, its locale and time zone) comes
// with the call; date and time are made here, in that locale and zone. Values are frozen when a template is applied, so that
// a conversation's beginning never changes under it.
import type { TemplateValues } from "../contract/chat.ts";
import type { BuiltIn } from "../contract/templates.ts";

/** The locale or zone if this system knows it, else undefined: its own. */
function known(make: () => unknown, value: string | undefined): string | undefined {
  if (value === undefined || value === "") return undefined;
  try {
    make();
    return value;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

export function builtInValues(names: readonly BuiltIn[], given: TemplateValues, now: Date): TemplateValues {
  const locale = known(() => new Intl.Locale(given["locale"] ?? ""), given["locale"]);
  const timeZone = known(() => new Intl.DateTimeFormat("en", { timeZone: given["timezone"] }), given["timezone"]);
  const format = (options: Intl.DateTimeFormatOptions): string =>
    new Intl.DateTimeFormat(locale, { ...options, timeZone }).format(now);
  const values: Readonly<Record<BuiltIn, () => string>> = {
    date: () => format({ dateStyle: "long" }),
    time: () => format({ timeStyle: "short" }),
    weekday: () => format({ weekday: "long" }),
    locale: () => locale ?? Intl.DateTimeFormat().resolvedOptions().locale,
    timezone: () => timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
    clipboard: () => given["clipboard"] ?? "",
    selection: () => given["selection"] ?? "",
  };
  return Object.fromEntries(names.map((name) => [name, values[name]()]));
}
