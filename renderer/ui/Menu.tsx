// A menu that drops from a button: Radix gives keyboard, focus and roles; this gives the look.
import { DropdownMenu } from "radix-ui";
import { ChevronRight } from "lucide-react";
import { createContext, use, useRef, type ReactNode, type RefObject } from "react";

const panelLook = "z-50 max-h-[60vh] min-w-40 overflow-y-auto rounded-lg border border-line bg-raised p-1 shadow-xl";
const itemLook =
  "flex cursor-pointer items-center justify-between gap-4 rounded-md px-2.5 py-1.5 text-[13px] outline-none data-[disabled]:cursor-default data-[disabled]:opacity-50 data-[highlighted]:bg-hover data-[state=open]:bg-hover";

/** Set by an item that moves the focus elsewhere: the closing menu must not take it back to its button. */
const FocusMoves = createContext<RefObject<boolean> | null>(null);

interface MenuProps {
  /** The button; it must be able to take a ref. */
  readonly trigger: ReactNode;
  readonly align?: "start" | "end";
  readonly children: ReactNode;
  onOpenChange?(open: boolean): void;
}

export function Menu({ trigger, align = "start", children, onOpenChange }: MenuProps) {
  const focusMoves = useRef(false);
  const onCloseAutoFocus = (event: Event): void => {
    if (focusMoves.current) event.preventDefault();
    focusMoves.current = false;
  };
  return (
    <DropdownMenu.Root modal={false} {...(onOpenChange === undefined ? {} : { onOpenChange })}>
      <DropdownMenu.Trigger asChild>{trigger}</DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content
          align={align}
          sideOffset={4}
          collisionPadding={8}
          className={panelLook}
          onCloseAutoFocus={onCloseAutoFocus}
        >
          <FocusMoves value={focusMoves}>{children}</FocusMoves>
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

interface MenuItemProps {
  readonly label: string;
  /** A shortcut or a value, at the right. */
  readonly hint?: string | undefined;
  readonly danger?: boolean;
  readonly disabled?: boolean;
  /** What it does puts the focus somewhere else: a field to type in, a dialog. */
  readonly movesFocus?: boolean;
  onSelect(): void;
}

export function MenuItem(props: MenuItemProps) {
  const { label, hint, danger = false, disabled = false, movesFocus = false } = props;
  const focusMovesRef = use(FocusMoves);
  const onSelect = (): void => {
    if (!movesFocus) {
      props.onSelect();
      return;
    }
    if (focusMovesRef !== null) focusMovesRef.current = true;
    // Once the menu has closed: it holds the focus until then.
    setTimeout(props.onSelect);
  };
  return (
    <DropdownMenu.Item
      disabled={disabled}
      onSelect={onSelect}
      className={danger ? `${itemLook} text-danger` : itemLook}
    >
      <span>{label}</span>
      {hint !== undefined && <span className="text-xs text-muted">{hint}</span>}
    </DropdownMenu.Item>
  );
}

export function SubMenu({ label, children }: { readonly label: string; readonly children: ReactNode }) {
  return (
    <DropdownMenu.Sub>
      <DropdownMenu.SubTrigger className={itemLook}>
        <span>{label}</span>
        <ChevronRight size={14} aria-hidden className="text-muted" />
      </DropdownMenu.SubTrigger>
      <DropdownMenu.Portal>
        <DropdownMenu.SubContent sideOffset={4} collisionPadding={8} className={panelLook}>
          {children}
        </DropdownMenu.SubContent>
      </DropdownMenu.Portal>
    </DropdownMenu.Sub>
  );
}

export function MenuSeparator() {
  return <DropdownMenu.Separator className="my-1 h-px bg-line" />;
}
