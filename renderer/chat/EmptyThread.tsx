// A conversation that has not begun: what is loaded, and a few ways to begin.
import type { ReactNode } from "react";
import { t } from "../i18n/texts.ts";
import { sendText } from "./actions/sendMessage.ts";

// Sent as they stand: the model that comes with the app reads English.
const openings = [
  "Tell me a story about a fox",
  "What food does a wolf eat?",
  "Tell me a story about a boat and a storm",
  "Who are you?",
];

interface EmptyThreadProps {
  /** Name of the model that will answer; null: none is known yet. */
  readonly modelName: string | null;
  /** More ways to begin. */
  readonly beginnings?: ReactNode;
}

export function EmptyThread({ modelName, beginnings }: EmptyThreadProps) {
  return (
    <div className="flex min-h-0 flex-1 flex-col overflow-y-auto px-6">
      {/* Margins rather than centring: what is too tall for the window must be reachable by scrolling. */}
      <div className="m-auto flex w-full max-w-[600px] flex-col items-center gap-6 py-6">
        <div className="text-center">
          <h1 className="text-2xl font-semibold">{t("chat.emptyTitle")}</h1>
          <p className="mt-2 text-muted">
            {modelName === null ? t("chat.chooseModel") : t("chat.runsHere", { model: modelName })}
          </p>
        </div>
        <ul className="grid w-full grid-cols-2 gap-2">
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
        {beginnings}
      </div>
    </div>
  );
}
