// A value that changes often, seen at most every `ms`: for numbers that nobody reads faster, where drawing costs.
import { useEffect, useRef, useState } from "react";

export function useSlowly<T>(value: T, ms: number): T {
  const [seen, setSeen] = useState(value);
  const seenAt = useRef(0);
  useEffect(() => {
    const see = (): void => {
      seenAt.current = performance.now();
      setSeen(value);
    };
    const wait = seenAt.current + ms - performance.now();
    if (wait <= 0) {
      see();
      return;
    }
    const timer = setTimeout(see, wait);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return seen;
}
