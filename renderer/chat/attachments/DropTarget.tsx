// Files dragged over the window may be dropped anywhere in it; while they are, the chat says so. A drop is always taken, or
// the browser would leave the app and open the file.
import { useEffect, useState } from "react";
import { Paperclip } from "lucide-react";
import { t } from "../../i18n/texts.ts";
import { attachFiles } from "./attachmentActions.ts";

const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") === true;

export function DropTarget() {
  const [over, setOver] = useState(false);

  useEffect(() => {
    const onOver = (event: DragEvent): void => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(true);
    };
    const onLeave = (event: DragEvent): void => {
      // Without one it left the window, and not just an element of the page.
      if (event.relatedTarget === null) setOver(false);
    };
    const onDrop = (event: DragEvent): void => {
      setOver(false);
      if (!hasFiles(event)) return;
      event.preventDefault();
      void attachFiles([...(event.dataTransfer?.files ?? [])]);
    };
    window.addEventListener("dragover", onOver);
    window.addEventListener("dragleave", onLeave);
    window.addEventListener("drop", onDrop);
    return () => {
      window.removeEventListener("dragover", onOver);
      window.removeEventListener("dragleave", onLeave);
      window.removeEventListener("drop", onDrop);
    };
  }, []);

  if (!over) return null;
  return (
    <div className="pointer-events-none absolute inset-2 z-20 flex flex-col items-center justify-center gap-2 rounded-2xl border-2 border-dashed border-accent bg-canvas/90 text-accent">
      <Paperclip size={28} aria-hidden />
      <p className="text-base font-medium">{t("attachments.drop")}</p>
    </div>
  );
}
