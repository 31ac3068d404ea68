// What this build is and where it keeps everything.
import { useEffect, useState } from "react";
import { t } from "../i18n/texts.ts";
import { client } from "../platform/client.ts";
import { reportError } from "../platform/toasts.ts";

type AppFacts = Awaited<ReturnType<typeof client.app.getInfo>>;

export function AboutRows() {
  const [facts, setFacts] = useState<AppFacts | null>(null);
  useEffect(() => {
    client.app.getInfo({}).then(setFacts, reportError);
  }, []);
  if (facts === null) return null;
  const rows = [
    [t("settings.version"), facts.version],
    [t("settings.dataFolder"), facts.dataFolder],
  ];
  return (
    <dl>
      {rows.map(([label, value]) => (
        <div key={label} className="border-b border-line/60 py-3 last:border-0">
          <dt className="font-medium">{label}</dt>
          <dd className="font-mono text-xs break-all text-muted">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
