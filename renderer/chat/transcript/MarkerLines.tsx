// Lines between the turns: what was changed before the answer below was made.
import { language, t } from "../../i18n/texts.ts";
import type { Marker, SettingChange } from "./markers.ts";

const valueText = (value: number | null): string =>
  value === null ? t("transcript.random") : new Intl.NumberFormat(language()).format(value);

const changeText = ({ key, from, to }: SettingChange): string =>
  `${t(`settings.${key}`)} ${valueText(from)} → ${valueText(to)}`;

function markerText(marker: Marker): string {
  switch (marker.kind) {
    case "model":
      return t("transcript.modelChanged", { name: marker.name });
    case "template":
      return marker.name === null
        ? t("transcript.templateRemoved")
        : t("transcript.templateApplied", { name: marker.name });
    case "settings": {
      const system = marker.systemPrompt ? [t("transcript.systemPrompt")] : [];
      const list = new Intl.ListFormat(language(), { type: "unit" });
      return t("transcript.settingsChanged", { changes: list.format([...marker.changes.map(changeText), ...system]) });
    }
  }
}

export function MarkerLines({ markers }: { readonly markers: readonly Marker[] }) {
  return (
    <div
      role="note"
      aria-label={t("transcript.changed")}
      className="flex items-center gap-3 text-xs text-muted before:flex-1 before:border-t before:border-line after:flex-1 after:border-t after:border-line"
    >
      <div className="flex max-w-[80%] flex-col items-center gap-0.5 text-center wrap-anywhere">
        {markers.map((marker) => (
          <span key={marker.kind}>{markerText(marker)}</span>
        ))}
      </div>
    </div>
  );
}
