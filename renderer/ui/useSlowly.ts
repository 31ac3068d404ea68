// A value that changes often, seen at most every `ms` (0: at once): for what nobody reads faster, where drawing costs.
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
    if (ms === 0 || wait <= 0) {
      see();
      return;
    }
    const timer = setTimeout(see, wait);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return ms === 0 ? value : seen;
}
