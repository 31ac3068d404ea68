// English, from which the keys of all texts are typed.
import chat from "./chat.json";
import errors from "./errors.json";
import platform from "./platform.json";
import settings from "./settings.json";
import templates from "./templates.json";
import ui from "./ui.json";

export default { chat, errors, platform, settings, templates, ui };
