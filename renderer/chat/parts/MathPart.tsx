// A formula: its source until it is drawn, and for good where it cannot be.
import { useLayoutEffect, useRef, useState } from "react";
import { reportError } from "../../platform/toasts.ts";

type Draw = (tex: string, element: HTMLElement, display: boolean) => string | null;

let ready: Draw | undefined;

/** Reads KaTeX. Before the first formula comes, at best: to read it takes longer than a frame. */
export async function readyMath(): Promise<Draw> {
  const { renderMath } = await import("./renderMath.ts");
  ready = renderMath;
  return ready;
}

interface MathPartProps {
  readonly tex: string;
  readonly display: boolean;
}

export function MathPart({ tex, display }: MathPartProps) {
  const box = useRef<HTMLSpanElement>(null);
  const [trouble, setTrouble] = useState<string | null>("");

  useLayoutEffect(() => {
    let wanted = true;
    const draw = (renderMath: Draw): void => {
      if (wanted && box.current !== null) setTrouble(renderMath(tex, box.current, display));
    };
    if (ready === undefined) readyMath().then(draw, reportError);
    else draw(ready);
    return () => {
      wanted = false;
    };
  }, [tex, display]);

  return (
    <span
      className={display ? "math-part block overflow-x-auto py-1" : "math-part"}
      // A formula wider than the column scrolls, so it must be reachable by keyboard (WCAG 2.1.1).
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={display ? 0 : undefined}
    >
      <span ref={box} hidden={trouble !== null} />
      {trouble !== null && (
        <code title={trouble} className="wrap-anywhere whitespace-pre-wrap">
          {tex}
        </code>
      )}
    </span>
  );
}
