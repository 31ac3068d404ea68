// The notices, at the top of the chat: at the bottom they would lie over what is typed and sent. Tab goes through them; Esc, or
// what a notice offers, gives the focus back to where it was.
import { useRef, type FocusEvent, type KeyboardEvent } from "react";
import { Toaster } from "sonner";
import { useFind } from "../chat/findStore.ts";
import { t } from "../i18n/texts.ts";
import { useTheme } from "../platform/theme.ts";

const edge = 12;
const belowFindBar = 60;

export function Notices() {
  const theme = useTheme();
  const finding = useFind((find) => find.open);
  const cameFrom = useRef<EventTarget | null>(null);
  const offset = { top: finding ? belowFindBar : edge, right: edge };

  const onFocus = (event: FocusEvent): void => {
    // Sonner would send the focus back whenever it leaves, and Tab would never get past the notices.
    event.stopPropagation();
    if (!event.currentTarget.contains(event.relatedTarget)) cameFrom.current = event.relatedTarget;
  };
  const leave = (): void => {
    if (cameFrom.current instanceof HTMLElement) cameFrom.current.focus({ preventScroll: true });
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    leave();
  };
  return (
    // Hears what bubbles up from the notices' own buttons.
    // oxlint-disable-next-line jsx-a11y/no-static-element-interactions, jsx-a11y/click-events-have-key-events
    <div onFocusCapture={onFocus} onKeyDown={onKeyDown} onClick={leave}>
      <Toaster
        position="top-right"
        theme={theme}
        offset={offset}
        mobileOffset={offset}
        customAriaLabel={t("app.notices")}
        hotkey={[]}
        style={{ position: "absolute" }}
      />
    </div>
  );
}
