// How warm a template is, in a word with a dot; the numbers stand in the tooltip and, in the dialog, beside it.
import type { Warmth } from "../../electron/contract/templates.ts";
import { t } from "../i18n/texts.ts";
import { formatBytes, formatDuration } from "../ui/format.ts";

const dots: Readonly<Record<Warmth["state"], string>> = {
  unknown: "bg-muted",
  cold: "border border-muted",
  warming: "bg-warn animate-pulse",
  memory: "bg-ok",
  disk: "bg-accent",
};

export const warmHelp = ({ state }: Warmth): string => t(`templates.warmthHelp-${state}`);

/** "312 tokens · 4.10 MB on disk · 2.4 s saved in 3 chats" */
export function warmFacts({ tokens, bytes, uses, savedMs }: Warmth): string {
  return [
    ...(tokens > 0 ? [t("templates.tokensAhead", { count: tokens })] : []),
    ...(bytes > 0 ? [t("templates.bytesOnDisk", { bytes: formatBytes(bytes) })] : []),
    ...(uses > 0 ? [t("templates.savedIn", { count: uses, time: formatDuration(savedMs) })] : []),
  ].join(" · ");
}

export function WarmBadge({ warmth }: { readonly warmth: Warmth }) {
  // Nothing is known of any template then, and ten words that say so would only be in the way.
  if (warmth.state === "unknown") return null;
  const help = warmHelp(warmth);
  const facts = warmFacts(warmth);
  return (
    <span
      title={facts === "" ? help : `${help} ${facts}`}
      className="flex shrink-0 items-center gap-1.5 text-xs text-muted"
    >
      <span aria-hidden className={`status-light size-2 rounded-full ${dots[warmth.state]}`} />
      {t(`templates.warmth-${warmth.state}`)}
    </span>
  );
}
