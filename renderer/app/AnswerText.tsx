// How an answer's text is shown: as Markdown, or coloured by expert when the Experts pane is set so.
import { TextPart } from "../chat/parts/TextPart.tsx";
import type { AnswerTextProps } from "../chat/MessageView.tsx";
import { ColouredText } from "../experts/ColouredText.tsx";
import { useExpertsView } from "../experts/expertsView.ts";

export function AnswerText({ messageId, text, streaming }: AnswerTextProps) {
  const coloured = useExpertsView((view) => view.colourTokens);
  return coloured ? <ColouredText messageId={messageId} text={text} /> : <TextPart text={text} streaming={streaming} />;
}
