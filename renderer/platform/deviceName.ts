// What the places to compute are called: a Mac's card goes by the name of its system's interface.
import type { LoadOptions } from "../../electron/contract/placement.ts";
import { t } from "../i18n/texts.ts";

const onMac = (): boolean => navigator.platform.startsWith("Mac");

export function deviceName(device: LoadOptions["device"]): string {
  if (device === "gpu" && onMac()) return t("platform.device-metal");
  return t(`platform.device-${device}`);
}
