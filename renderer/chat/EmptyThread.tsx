// A conversation that has not begun: what is loaded, and a few ways to begin.
import { sendText } from "./actions/sendMessage.ts";
import { useModels } from "../models/modelsStore.ts";

const openings = [
  "Tell me a story about a fox",
  "What food does a wolf eat?",
  "Tell me a story about a boat and a storm",
  "Who are you?",
];

export function EmptyThread() {
  const model = useModels((state) => {
    const loadedId = "modelId" in state.loaded ? state.loaded.modelId : null;
    return (
      state.library.find((candidate) => candidate.id === loadedId) ??
      state.library.find((candidate) => candidate.source === "embedded")
    );
  });
  return (
    <div className="flex min-h-0 flex-1 flex-col items-center justify-center gap-6 overflow-y-auto px-6">
      <div className="text-center">
        <h1 className="text-2xl font-semibold">Ask, and watch which experts answer</h1>
        <p className="mt-2 text-muted">
          {model === undefined
            ? "Choose a model above to begin."
            : `${model.name} runs on this machine. Nothing you write leaves it.`}
        </p>
      </div>
      <ul className="grid w-full max-w-[600px] grid-cols-2 gap-2">
        {openings.map((text) => (
          <li key={text}>
            <button
              type="button"
              onClick={() => void sendText(text, null)}
              className="h-full w-full rounded-xl border border-line bg-raised px-4 py-3 text-left text-[13px] hover:bg-hover"
            >
              {text}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
