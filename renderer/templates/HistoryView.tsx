// The versions of a template, newest first; each against the one before it, line by line, and back with one button.
import { useEffect, useState } from "react";
import { RotateCcw } from "lucide-react";
import type { DiffLine, Template, TemplateVersion } from "../../electron/contract/templates.ts";
import { client } from "../platform/client.ts";
import { reportError } from "../platform/toasts.ts";
import { Button } from "../ui/Button.tsx";

const lineLooks: Readonly<
  Record<DiffLine["kind"], { readonly sign: string; readonly look: string; readonly word: string }>
> = {
  same: { sign: " ", look: "text-muted", word: "" },
  removed: { sign: "−", look: "bg-danger/10 text-danger", word: "Removed: " },
  added: { sign: "+", look: "bg-ok/10 text-ok", word: "Added: " },
};

function Diff({ lines }: { readonly lines: readonly DiffLine[] }) {
  return (
    <ol className="overflow-x-auto rounded-md border border-line bg-canvas py-1 font-mono text-xs leading-relaxed">
      {lines.map(({ kind, text }, index) => (
        // Lines of a comparison never move.
        // oxlint-disable-next-line react/no-array-index-key
        <li key={index} className={`flex px-2 whitespace-pre-wrap ${lineLooks[kind].look}`}>
          <span aria-hidden className="w-4 shrink-0">
            {lineLooks[kind].sign}
          </span>
          <span className="sr-only">{lineLooks[kind].word}</span>
          <span className="min-w-0 [overflow-wrap:anywhere]">{text === "" ? " " : text}</span>
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
      <ul aria-label="Versions" className="flex flex-col gap-1">
        {versions.map(({ version, createdAt }) => (
          <li key={version} className="flex items-center gap-2">
            <button
              type="button"
              aria-pressed={version === shown}
              onClick={() => setShown(version)}
              className="flex h-8 flex-1 items-center gap-3 rounded-md px-2 text-left hover:bg-hover aria-pressed:bg-hover"
            >
              <span className="font-medium">Version {version}</span>
              <span className="text-xs text-muted">{new Date(createdAt).toLocaleString()}</span>
              {version === newest && <span className="text-xs text-muted">now</span>}
            </button>
            {version !== newest && (
              <Button
                onClick={() => void client.templates.restoreVersion({ id, version }).catch(reportError)}
                aria-label={`Restore version ${version}`}
              >
                <RotateCcw size={13} aria-hidden /> Restore
              </Button>
            )}
          </li>
        ))}
      </ul>
      {newest === 1 ? (
        <p className="text-xs text-muted">
          There is one version so far. Every save that changes something makes another.
        </p>
      ) : (
        <section aria-label="Changes">
          <h3 className="mb-1 text-xs font-medium">
            {shown === newest ? `What version ${newest} changed` : `From version ${shown} to now`}
          </h3>
          <Diff lines={lines} />
        </section>
      )}
    </div>
  );
}
