// The composition root: opens the database, builds every service once and wires them to each other, for either entry.
// Services know each other only through the small functions passed here.
import { join } from "node:path";
import { createAttachmentsService } from "../chat/attachmentsService.ts";
import { createChatService } from "../chat/chatService.ts";
import { createLibraryService } from "../chat/libraryService.ts";
import type { Notice } from "../contract/app.ts";
import { AppError } from "../contract/errors.ts";
import type { Handlers } from "../contract/ipc.ts";
import { openDatabase } from "../db/openDatabase.ts";
import type { EngineApi } from "../engine/engineApi.ts";
import { createExpertsService } from "../experts/expertsService.ts";
import { createModelsService, embeddedModelId } from "../models/modelsService.ts";
import { createSettingsService } from "../settings/settingsService.ts";
import { createTemplatesService } from "../templates/templatesService.ts";
import { createDispatch, type Dispatch } from "./dispatch.ts";
import { createEventBus, type EventListener } from "./eventBus.ts";
import { parseExternalUrl } from "./externalUrl.ts";
import type { Log } from "./log.ts";

export interface AppOptions {
  readonly version: string;
  readonly entry: "desktop" | "web";
  readonly dataFolder: string;
  /** Folders that may hold the embedded model, best first. */
  readonly modelFolders: readonly string[];
  /** Started on the first need; closed by close(). */
  readonly engine: EngineApi;
  readonly log: Log;
  /** Asks for a GGUF file; null: cancelled, or no dialog here. */
  readonly pickModelFile: () => Promise<string | null>;
  /** Asks the user and opens the address outside; false: not opened. Gets only http, https and mailto. */
  readonly openExternal: (url: URL) => Promise<boolean>;
}

export interface App {
  readonly handlers: Handlers;
  readonly dispatch: Dispatch;
  subscribe(listener: EventListener): () => void;
  /** Stops runs, stores everything, ends the engine process. Safe to call twice. */
  close(): Promise<void>;
}

const embeddedModel = "tiny-Q8_0.gguf";
/** In the order of preference. */
const embeddedDrafters = { dflash: "dflash-Q8_0.gguf", mdlm: "mdlm-Q8_0.gguf" } as const;

/** @throws AppError when the data folder cannot be used (see openDatabase). */
export function createApp(options: AppOptions): App {
  const { engine, log } = options;
  const notices: Notice[] = [];
  const bus = createEventBus((error) => log.error("event listener failed", { error: String(error) }));
  const { publish } = bus;

  /** A later notice with the same id takes the place of the earlier one. */
  function notify(notice: Notice): void {
    const index = notices.findIndex((known) => known.id === notice.id);
    if (index >= 0) notices.splice(index, 1);
    notices.push(notice);
    publish("app", "notice", notice);
    log.warning("notice", { id: notice.id });
  }

  const { database, warnings } = openDatabase(options.dataFolder);
  for (const [index, message] of warnings.entries()) notify({ id: `database-${index}`, level: "warning", message });

  const settings = createSettingsService({ database, publish });
  const experts = createExpertsService({ database, publish });
  const models = createModelsService({
    database,
    engine,
    publish,
    embeddedFiles: options.modelFolders.map((folder) => join(folder, embeddedModel)),
    shippedDrafters: Object.entries(embeddedDrafters).map(([id, file]) => ({
      id,
      modelId: embeddedModelId,
      files: options.modelFolders.map((folder) => join(folder, file)),
    })),
    preferences: settings.current,
    change: (values) => void settings.change(values),
    expertUsage: experts.usageOf,
    rememberModel: (lastModelId) => void settings.change({ lastModelId }),
    pickModelFile: options.pickModelFile,
    log: log.info,
  });
  const templates = createTemplatesService({
    database,
    engine,
    folder: join(options.dataFolder, "prefixes"),
    capMb: () => settings.current().prefixCacheMb,
    async loadedModel() {
      const loaded = await models.getLoaded({});
      if (loaded.state !== "ready") return null;
      const { id, sha256 } = await models.wanted(loaded.modelId);
      return { id, sha256, drafter: models.loadedDrafter(), form: settings.current().chatTemplate };
    },
    async loadModel() {
      const { id } = await models.wanted();
      await models.ensureLoaded(id);
    },
    publish,
    log: log.info,
  });
  const chat = createChatService({
    database,
    prefixes: templates.conversations,
    engine,
    models,
    preferences: settings.current,
    traces: experts,
    steering: { of: experts.steeringOf, copy: experts.copySteering },
    publish,
    onStorageTrouble: (reason) =>
      notify(
        reason === null
          ? { id: "storage", level: "info", message: "Everything that was waiting has been saved." }
          : {
              id: "storage",
              level: "error",
              message: reason.message,
              ...(reason.details === undefined ? {} : { details: reason.details }),
            },
      ),
    log: log.info,
  });
  const unsubscribe = engine.onStatus((status) => publish("engine", "statusChanged", status));
  bus.subscribe(({ service, event }) => {
    if (service === "models" && event === "loadedChanged") templates.modelChanged();
  });

  const handlers: Handlers = {
    app: {
      getInfo: async () => ({
        version: options.version,
        entry: options.entry,
        platform: process.platform,
        dataFolder: options.dataFolder,
        notices: [...notices],
      }),
      async openExternal({ url }) {
        const parsed = parseExternalUrl(url);
        if (parsed === null) {
          throw new AppError("forbidden", "Only links that begin with http:, https: or mailto: can be opened.");
        }
        return options.openExternal(parsed);
      },
    },
    engine: {
      getStatus: async () => engine.status(),
      async restart() {
        await engine.restart();
        return engine.status();
      },
    },
    chat,
    summaries: chat.summaries,
    attachments: createAttachmentsService({ database, publish }),
    library: createLibraryService({ database, publish }),
    models,
    experts,
    settings,
    templates,
  };

  async function close(): Promise<void> {
    const unsaved = await chat.close();
    if (unsaved > 0) log.error("answers could not be saved", { unsaved });
    unsubscribe();
    await templates.close();
    models.settle();
    await engine.close();
    await models.close();
    database.close();
    log.info("closed");
  }
  let closed: Promise<void> | undefined;

  log.info("started", { version: options.version, entry: options.entry, platform: process.platform });
  return {
    handlers,
    dispatch: createDispatch(handlers, (channel, error) =>
      log.error("call failed", { channel, code: error.code, error: error.message }),
    ),
    subscribe: bus.subscribe,
    close: () => (closed ??= close()),
  };
}
