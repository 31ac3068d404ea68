// A token bucket: how many calls one window or socket may make. Far above what a person causes; it only keeps a page
// that runs wild from starving everything else.
export interface RateLimit {
  /** @returns whether one more call is allowed now. */
  take(): boolean;
}

export function createRateLimit(burst = 400, perSecond = 200, now: () => number = () => performance.now()): RateLimit {
  let tokens = burst;
  let at = now();
  return {
    take() {
      const time = now();
      tokens = Math.min(burst, tokens + ((time - at) / 1000) * perSecond);
      at = time;
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
}

export const rateLimitSentence = "Too many calls in a short time; wait a second and try again.";
