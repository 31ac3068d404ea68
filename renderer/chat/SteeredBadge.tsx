// Says of an answer that its experts were steered: it is not what the model says when left alone.
import type { Run } from "../../electron/contract/chat.ts";
import { t } from "../i18n/texts.ts";
import { steeringWords } from "./runWords.ts";

export function SteeredBadge({ run }: { readonly run: Run | null }) {
  const steering = run?.prompt?.steering ?? null;
  if (steering === null) return null;
  return (
    <span title={steeringWords(steering)} className="rounded-full border border-warn px-2 text-xs leading-5 text-warn">
      {t("chat.steered")}
    </span>
  );
}
