// Where a user's conversations live on each system when nobody says otherwise.
import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** @param chosen from the command line; else CONCLAVE_DATA; else the system's usual place. */
export function dataFolder(
  chosen: string | undefined,
  environment: Readonly<Record<string, string | undefined>> = process.env,
  platform: NodeJS.Platform = process.platform,
): string {
  const explicit = chosen ?? environment["CONCLAVE_DATA"];
  if (explicit !== undefined && explicit !== "") return resolve(explicit);
  const home = homedir();
  if (platform === "darwin") return join(home, "Library", "Application Support", "Conclave");
  if (platform === "win32") return join(environment["APPDATA"] ?? join(home, "AppData", "Roaming"), "Conclave");
  return join(environment["XDG_DATA_HOME"] ?? join(home, ".local", "share"), "conclave");
}
