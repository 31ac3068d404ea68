// The shell: title bar, three columns, status bar. Panes remember their widths; under 960 px the sidebar lies over the chat.
import { useEffect } from "react";
import { PanelLeft, PanelRight } from "lucide-react";
import { AttachmentViewer } from "../chat/attachments/AttachmentViewer.tsx";
import { useChat } from "../chat/chatStore.ts";
import { DetailsDialog } from "../chat/DetailsDialog.tsx";
import { LinkDialog } from "../chat/LinkDialog.tsx";
import { Sidebar } from "../chat/Sidebar.tsx";
import { Thread } from "../chat/Thread.tsx";
import { t, useLanguage } from "../i18n/texts.ts";
import { FailedLoad } from "../models/FailedLoad.tsx";
import { ModelPicker } from "../models/ModelPicker.tsx";
import { useModels } from "../models/modelsStore.ts";
import { openTemplates } from "../templates/templateActions.ts";
import { TemplateCards } from "../templates/TemplateCards.tsx";
import { TemplatesDialog } from "../templates/TemplatesDialog.tsx";
import { useTemplates } from "../templates/templatesStore.ts";
import { SettingsDialog } from "../settings/SettingsDialog.tsx";
import { updateSettings, useSettings } from "../platform/settingsStore.ts";
import { IconButton } from "../ui/IconButton.tsx";
import { ResizeHandle } from "../ui/ResizeHandle.tsx";
import { AnswerText } from "./AnswerText.tsx";
import { CommandPalette } from "./CommandPalette.tsx";
import { actions, onShortcut, shortcutText } from "./commands.ts";
import { Inspector } from "./Inspector.tsx";
import { useNarrow } from "./narrow.ts";
import { Notices } from "./Notices.tsx";
import { useShell } from "./shellStore.ts";
import { ShortcutsDialog } from "./ShortcutsDialog.tsx";
import { StatusBar } from "./StatusBar.tsx";
import { TemplateComposer } from "./TemplateComposer.tsx";
import { chooseTemplate } from "./templateUse.ts";

function useSidebarShown(): boolean {
  const beside = useSettings((settings) => settings.sidebarOpen);
  const over = useShell((shell) => shell.sidebarOver);
  return useNarrow() ? over : beside;
}

function TitleBar() {
  const inspectorOpen = useSettings((settings) => settings.inspectorOpen);
  const sidebarShown = useSidebarShown();
  return (
    <header className="drag-region flex h-10 shrink-0 items-center gap-2 border-b border-line bg-surface px-2">
      <IconButton
        label={t("chat.conversations")}
        shortcut={shortcutText(actions.toggleSidebar)}
        pressed={sidebarShown}
        onClick={() => void actions.toggleSidebar.perform()}
      >
        <PanelLeft size={16} aria-hidden />
      </IconButton>
      <div className="flex min-w-0 flex-1 justify-center">
        <ModelPicker />
      </div>
      <IconButton
        label={t("app.expertsPane")}
        shortcut={shortcutText(actions.toggleExperts)}
        pressed={inspectorOpen}
        onClick={() => void actions.toggleExperts.perform()}
      >
        <PanelRight size={16} aria-hidden />
      </IconButton>
    </header>
  );
}

function SidebarColumn() {
  const width = useSettings((settings) => settings.sidebarWidth);
  const openId = useChat((chat) => chat.openId);
  const over = useNarrow();
  const close = (): void => useShell.setState({ sidebarOver: false });
  // Whatever was chosen in the list is what the reader wants to see next.
  useEffect(close, [openId]);

  return (
    <>
      {over && (
        <button
          type="button"
          aria-label={t("app.closeSidebar")}
          onClick={close}
          className="absolute inset-0 z-20 cursor-default bg-black/30"
        />
      )}
      <div className={over ? "absolute inset-y-0 left-0 z-30 flex shadow-2xl" : "flex"}>
        <Sidebar
          width={width}
          onTemplates={() => void openTemplates.perform()}
          onSettings={() => void actions.openSettings.perform()}
        />
        <ResizeHandle
          label={t("app.sidebarWidth")}
          width={width}
          min={200}
          max={400}
          direction={1}
          onResize={(sidebarWidth) => updateSettings({ sidebarWidth })}
        />
      </div>
    </>
  );
}

/** The loaded model's name, or that of the one which will be loaded with the first message. */
function useModelName(): string | null {
  return useModels(({ loaded, library }) => {
    const loadedId = "modelId" in loaded ? loaded.modelId : null;
    const model =
      library.find((candidate) => candidate.id === loadedId) ??
      library.find((candidate) => candidate.source === "embedded");
    return model?.name ?? null;
  });
}

/** Cards, until a template is chosen: then the reader wants room to write. */
function Beginnings() {
  const openId = useChat((chat) => chat.openId);
  const chosen = useTemplates((state) => state.formId !== null || (openId !== null && state.applied[openId] != null));
  return chosen ? null : <TemplateCards onChoose={chooseTemplate} onAll={() => void openTemplates.perform()} />;
}

export function App() {
  const modelName = useModelName();
  const inspectorOpen = useSettings((settings) => settings.inspectorOpen);
  const sidebarShown = useSidebarShown();
  const settingsOpen = useShell((shell) => shell.settingsOpen);
  useLanguage();

  useEffect(() => {
    window.addEventListener("keydown", onShortcut);
    return () => window.removeEventListener("keydown", onShortcut);
  }, []);

  return (
    <div className="flex h-full flex-col">
      <TitleBar />
      <div className="relative flex min-h-0 flex-1">
        {sidebarShown && <SidebarColumn />}
        <main className="relative flex min-w-0 flex-1 flex-col">
          <Thread AnswerText={AnswerText} modelName={modelName} beginnings={<Beginnings />} />
          <FailedLoad />
          <TemplateComposer />
          <Notices />
        </main>
        {inspectorOpen && <Inspector />}
      </div>
      <StatusBar />
      <SettingsDialog open={settingsOpen} onClose={() => useShell.setState({ settingsOpen: false })} />
      <TemplatesDialog onUse={chooseTemplate} />
      <LinkDialog />
      <DetailsDialog />
      <AttachmentViewer />
      <CommandPalette />
      <ShortcutsDialog />
    </div>
  );
}
