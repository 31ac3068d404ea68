// Starts workers from the app's own scripts. The page enforces Trusted Types, so an address must pass through this policy,
// which lets through nothing but files of the page's own origin.

interface ScriptPolicy {
  createScriptURL(url: string): unknown;
}
interface PolicyFactory {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): ScriptPolicy;
}

function ownScript(url: string): string {
  const { origin, href } = new URL(url, window.location.href);
  if (origin !== window.location.origin) throw new TypeError(`A worker cannot come from ${origin}.`);
  return href;
}

let policy: ScriptPolicy | undefined;

/** @param url as Vite's `?worker&url` and `?url` imports give it. */
export function startWorker(url: string): Worker {
  // TypeScript's DOM library does not know Trusted Types.
  const { trustedTypes } = window as unknown as { readonly trustedTypes?: PolicyFactory };
  policy ??= trustedTypes?.createPolicy("conclave-workers", { createScriptURL: ownScript }) ?? {
    createScriptURL: ownScript,
  };
  return new Worker(policy.createScriptURL(url) as string, { type: "module" });
}
