// English, from which the keys of all texts are typed.
import settings from "./settings.json";

export default { settings };
