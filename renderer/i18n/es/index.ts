// Spanish.
import app from "./app.json";
import attachments from "./attachments.json";
import chat from "./chat.json";
import errors from "./errors.json";
import experts from "./experts.json";
import models from "./models.json";
import platform from "./platform.json";
import settings from "./settings.json";
import templates from "./templates.json";
import transcript from "./transcript.json";
import ui from "./ui.json";
import type { Texts } from "../texts.ts";

export default {
  app,
  attachments,
  chat,
  errors,
  experts,
  models,
  platform,
  settings,
  templates,
  transcript,
  ui,
} satisfies Texts;
