// English, from which the keys of all texts are typed.
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

export default { app, attachments, chat, errors, experts, models, platform, settings, templates, transcript, ui };
