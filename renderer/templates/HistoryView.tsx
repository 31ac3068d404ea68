// The versions of a template, newest first; each against the one before it, line by line, and back with one button.
import { useEffect, useState } from "react";
import { RotateCcw } from "lucide-react";
import type { DiffLine, Template, TemplateVersion } from "../../electron/contract/templates.ts";
import { t } from "../i18n/texts.ts";
import { client } from "../platform/client.ts";
import { reportError } from "../platform/toasts.ts";
import { Button } from "../ui/Button.tsx";
import { formatDateTime } from "../ui/format.ts";

const lineLooks: Readonly<Record<DiffLine["kind"], { readonly sign: string; readonly look: string }>> = {
  same: { sign: " ", look: "text-muted" },
  removed: { sign: "−", look: "bg-danger/10 text-danger" },
  added: { sign: "+", look: "bg-ok/10 text-ok" },
};

/** The sign is for the eye; a line read aloud says what happened to it. */
const aloud = ({ kind, text }: DiffLine): string => (kind === "same" ? text : t(`templates.${kind}`, { text }));

function Diff({ lines }: { readonly lines: readonly DiffLine[] }) {
  return (
    <ol className="overflow-x-auto rounded-md border border-line bg-canvas py-1 font-mono text-xs leading-relaxed">
      {lines.map((line, index) => (
        // Lines of a comparison never move.
        // oxlint-disable-next-line react/no-array-index-key
        <li key={index} className={`flex px-2 whitespace-pre-wrap ${lineLooks[line.kind].look}`}>
          <span aria-hidden className="w-4 shrink-0">
            {lineLooks[line.kind].sign}
          </span>
          <span className="sr-only">{aloud(line)}</span>
          <span aria-hidden className="min-w-0 [overflow-wrap:anywhere]">
            {line.text === "" ? " " : line.text}
          </span>
        </li>
      ))}
    </ol>
  );
}

/** Give it the version as its key: a new version begins with what it changed. */
export function HistoryView({ template }: { readonly template: Template }) {
  const { id, version: newest } = template;
  const [versions, setVersions] = useState<readonly TemplateVersion[]>([]);
  const [shown, setShown] = useState(newest);
  const [lines, setLines] = useState<readonly DiffLine[]>([]);

  useEffect(() => {
    client.templates.history({ id }).then(setVersions, reportError);
  }, [id]);

  useEffect(() => {
    let current = true;
    const from = shown === newest ? Math.max(1, newest - 1) : shown;
    const compare = async (): Promise<void> => {
      const next = await client.templates.diff({ id, from, to: newest });
      if (current) setLines(next);
    };
    compare().catch(reportError);
    return () => {
      current = false;
    };
  }, [id, shown, newest]);

  return (
    <div className="flex flex-col gap-3">
      <ul aria-label={t("templates.versions")} className="flex flex-col gap-1">
        {versions.map(({ version, createdAt }) => (
          <li key={version} className="flex items-center gap-2">
            <button
              type="button"
              aria-pressed={version === shown}
              onClick={() => setShown(version)}
              className="flex h-8 flex-1 items-center gap-3 rounded-md px-2 text-left hover:bg-hover aria-pressed:bg-hover"
            >
              <span className="font-medium">{t("templates.version", { version })}</span>
              <span className="text-xs text-muted">{formatDateTime(createdAt)}</span>
              {version === newest && <span className="text-xs text-muted">{t("templates.now")}</span>}
            </button>
            {version !== newest && (
              <Button
                onClick={() => void client.templates.restoreVersion({ id, version }).catch(reportError)}
                aria-label={t("templates.restoreVersion", { version })}
              >
                <RotateCcw size={13} aria-hidden /> {t("templates.restore")}
              </Button>
            )}
          </li>
        ))}
      </ul>
      {newest === 1 ? (
        <p className="text-xs text-muted">{t("templates.oneVersion")}</p>
      ) : (
        <section aria-label={t("templates.changes")}>
          <h3 className="mb-1 text-xs font-medium">
            {shown === newest
              ? t("templates.whatChanged", { version: newest })
              : t("templates.changedSince", { version: shown })}
          </h3>
          <Diff lines={lines} />
        </section>
      )}
    </div>
  );
}
