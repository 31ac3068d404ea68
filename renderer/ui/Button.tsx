// A labelled button in three weights.
import type { ComponentPropsWithRef } from "react";

const looks = {
  primary: "border border-transparent bg-accent text-on-accent hover:opacity-90",
  plain: "border border-line bg-raised text-ink hover:bg-hover",
  danger: "border border-danger text-danger hover:bg-hover",
} as const;

interface ButtonProps extends ComponentPropsWithRef<"button"> {
  readonly look?: keyof typeof looks;
}

export function Button({ look = "plain", className = "", ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      className={`inline-flex h-8 items-center justify-center gap-1.5 rounded-md px-3 text-[13px] font-medium disabled:opacity-50 ${looks[look]} ${className}`}
      {...rest}
    />
  );
}
