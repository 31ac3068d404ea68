// Can the desktop app open here? Owns the answer and its reason: a display, a user Electron agrees to run as, and
// Electron's binary, which is downloaded on first use. Never hangs: the download server is probed before the download.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { run, tool, toStderr } from "./run.ts";

export interface Surroundings {
  readonly platform: NodeJS.Platform;
  readonly env: NodeJS.ProcessEnv;
  readonly uid: number | undefined;
}

const probeMilliseconds = 8000;
const downloadMilliseconds = 15 * 60_000;

export function hasDisplay({ platform, env }: Surroundings): boolean {
  return platform !== "linux" || Boolean(env["DISPLAY"]) || Boolean(env["WAYLAND_DISPLAY"]);
}

/** Why a window cannot open here whatever is installed, or null. */
export function noWindowReason(surroundings: Surroundings): string | null {
  if (!hasDisplay(surroundings)) return "there is no display (neither DISPLAY nor WAYLAND_DISPLAY is set)";
  if (surroundings.platform === "linux" && surroundings.uid === 0) {
    return "Electron's sandbox does not work for the root user";
  }
  return null;
}

/** Path of Electron's executable when it is on this machine. */
export function electronBinary(env: NodeJS.ProcessEnv): string | null {
  const folder = tool("electron");
  const recorded = join(folder, "path.txt");
  const name = existsSync(recorded) ? readFileSync(recorded, "utf8") : "electron";
  const path = join(env["ELECTRON_OVERRIDE_DIST_PATH"] ?? join(folder, "dist"), name);
  return existsSync(path) ? path : null;
}

/** Address that Electron's installer would download from, honouring its mirror settings. */
export function downloadAddress(env: NodeJS.ProcessEnv): string {
  const mirror = env["ELECTRON_MIRROR"] ?? env["npm_config_electron_mirror"];
  return mirror ?? "https://github.com/electron/electron/releases/";
}

async function unreachableReason(address: string, milliseconds: number): Promise<string | null> {
  try {
    await fetch(address, { method: "HEAD", redirect: "manual", signal: AbortSignal.timeout(milliseconds) });
    return null;
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const detail = cause instanceof Error ? cause.message : String(cause);
    return `Electron is not on this machine and ${new URL(address).host} cannot be reached to download it (${detail})`;
  }
}

/**
 * Finds or downloads Electron. Resolves to its path, or to the reason why there is none.
 * @param patience milliseconds the download server may take to answer at all.
 */
export async function obtainElectron(
  env: NodeJS.ProcessEnv,
  patience = probeMilliseconds,
): Promise<{ path: string } | { reason: string }> {
  const present = electronBinary(env);
  if (present !== null) return { path: present };
  const unreachable = await unreachableReason(downloadAddress(env), patience);
  if (unreachable !== null) return { reason: unreachable };
  process.stderr.write("Downloading Electron (once, about 120 MB) ...\n");
  const { status } = await run(process.execPath, [tool("electron/install.js")], {
    stdio: toStderr,
    env,
    timeout: downloadMilliseconds,
  });
  const path = status === 0 ? electronBinary(env) : null;
  return path === null ? { reason: "Electron is not on this machine and its download failed" } : { path };
}
