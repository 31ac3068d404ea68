// How an answer's text is shown: as Markdown; or, as plain text, coloured by expert when the Experts pane is set so, or with
// its drafted tokens tinted when Settings are.
import { TextPart } from "../chat/parts/TextPart.tsx";
import type { AnswerTextProps } from "../chat/MessageView.tsx";
import { ColouredText } from "../experts/ColouredText.tsx";
import { DraftedText } from "../experts/DraftedText.tsx";
import { useExpertsView } from "../experts/expertsView.ts";
import { useSettings } from "../platform/settingsStore.ts";

export function AnswerText({ messageId, text, streaming }: AnswerTextProps) {
  const coloured = useExpertsView((view) => view.colourTokens);
  const tinted = useSettings((settings) => settings.tintDrafts);
  if (coloured) return <ColouredText messageId={messageId} text={text} />;
  if (tinted) return <DraftedText messageId={messageId} text={text} />;
  return <TextPart text={text} streaming={streaming} />;
}
