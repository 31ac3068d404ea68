// An icon that acts. The label is a string by type: it names the button for screen readers and in the tooltip.
import type { ComponentPropsWithRef, ReactNode } from "react";

interface IconButtonProps extends Omit<ComponentPropsWithRef<"button">, "aria-label" | "title" | "children"> {
  readonly label: string;
  readonly shortcut?: string | undefined;
  readonly pressed?: boolean;
  readonly children: ReactNode;
}

export function IconButton({ label, shortcut, pressed, className = "", children, ...rest }: IconButtonProps) {
  return (
    <button
      type="button"
      aria-label={label}
      aria-pressed={pressed}
      title={shortcut === undefined ? label : `${label} (${shortcut})`}
      className={`inline-flex size-7 items-center justify-center rounded-md text-muted hover:bg-hover hover:text-ink disabled:opacity-40 aria-pressed:bg-hover aria-pressed:text-ink ${className}`}
      {...rest}
    >
      {children}
    </button>
  );
}
