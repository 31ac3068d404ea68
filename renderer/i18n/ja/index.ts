// Japanese.
import settings from "./settings.json";
import type { Texts } from "../texts.ts";

export default { settings } satisfies Texts;
