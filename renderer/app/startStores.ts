// Connects every feature's store to the services, and reads in a quiet moment what would hold up a first answer; called once,
// before the first render.
import { startAttachmentStore } from "../chat/attachments/attachmentStore.ts";
import { startChatStore } from "../chat/chatStore.ts";
import { startContextStore } from "../chat/contextStore.ts";
import { startDraftStore } from "../chat/draftStore.ts";
import { startLibraryStore } from "../chat/libraryStore.ts";
import { readyMath } from "../chat/parts/MathPart.tsx";
import { startSummaryStore } from "../chat/transcript/summaryStore.ts";
import { startSteeringStore } from "../experts/steeringStore.ts";
import { startTraceStore } from "../experts/traceStore.ts";
import { startModelsStore } from "../models/modelsStore.ts";
import { startLanguage } from "../platform/language.ts";
import { startSettingsStore } from "../platform/settingsStore.ts";
import { startTheme } from "../platform/theme.ts";
import { reportError } from "../platform/toasts.ts";
import { startTemplatesStore } from "../templates/templatesStore.ts";
import { startEngineStore } from "./engineStore.ts";

export function startStores(): void {
  startTheme();
  startLanguage();
  startSettingsStore();
  startEngineStore();
  startModelsStore();
  startChatStore();
  startAttachmentStore();
  startSummaryStore();
  startContextStore();
  startLibraryStore();
  startDraftStore();
  startTraceStore();
  startSteeringStore();
  startTemplatesStore();
  requestIdleCallback(() => void readyMath().catch(reportError));
}
