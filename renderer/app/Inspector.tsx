// The column at the right: the experts of the shown thread, or how this conversation is answered.
import { Tabs } from "radix-ui";
import { ConversationSettings } from "../chat/ConversationSettings.tsx";
import { ExpertsPane } from "../experts/ExpertsPane.tsx";
import { t } from "../i18n/texts.ts";
import { updateSettings, useSettings } from "../platform/settingsStore.ts";
import { ResizeHandle } from "../ui/ResizeHandle.tsx";
import { useShell } from "./shellStore.ts";
import { useShownAnswers } from "./useShownAnswers.ts";

const tabs = [
  ["experts", "experts.title"],
  ["settings", "settings.title"],
] as const;

function ExpertsOfThread({ width }: { readonly width: number }) {
  return <ExpertsPane width={width} answers={useShownAnswers()} />;
}

export function Inspector() {
  const width = useSettings((settings) => settings.inspectorWidth);
  const tab = useShell((shell) => shell.inspectorTab);
  return (
    <div className="flex">
      <ResizeHandle
        label={t("app.inspectorWidth")}
        width={width}
        min={280}
        max={480}
        direction={-1}
        onResize={(inspectorWidth) => updateSettings({ inspectorWidth })}
      />
      <Tabs.Root
        value={tab}
        onValueChange={(value) => useShell.setState({ inspectorTab: value === "settings" ? "settings" : "experts" })}
        className="flex h-full flex-col"
        style={{ width }}
      >
        <Tabs.List
          aria-label={t("app.inspector")}
          className="flex h-9 shrink-0 items-center gap-1 border-b border-l border-line bg-surface px-2"
        >
          {tabs.map(([value, title]) => (
            <Tabs.Trigger
              key={value}
              value={value}
              className="h-7 rounded-md px-2.5 text-[13px] text-muted hover:text-ink data-[state=active]:bg-hover data-[state=active]:font-medium data-[state=active]:text-ink"
            >
              {t(title)}
            </Tabs.Trigger>
          ))}
        </Tabs.List>
        <Tabs.Content value="experts" className="min-h-0 flex-1">
          <ExpertsOfThread width={width} />
        </Tabs.Content>
        <Tabs.Content value="settings" className="min-h-0 flex-1 border-l border-line bg-surface">
          <aside aria-label={t("app.conversationSettings")} className="h-full overflow-y-auto">
            <ConversationSettings />
          </aside>
        </Tabs.Content>
      </Tabs.Root>
    </div>
  );
}
