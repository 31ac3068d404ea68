// The first thing every npm script runs. Owns the promise that `npm start` and `npm test` work straight after a clone:
// installs the locked dependencies when they are missing or differ from package-lock.json, then runs the wanted step on
// the Node that is pinned among them. Must run on Node 20.20 before anything is installed, so it imports only Node's own
// modules and is not TypeScript. Everything it prints goes to stderr: a step's stdout belongs to the step.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

export const oldestNode = [20, 20];

/** @param {string} version such as "20.20.2"; @returns a sentence that says what to do, or null when the Node will do. */
export function nodeComplaint(version) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = oldestNode;
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return null;
  return `Conclave's scripts need Node ${wantedMajor}.${wantedMinor} or newer to set themselves up, and this is Node ${version}; install a newer Node from nodejs.org or your package manager and run the command again.`;
}

/**
 * Compares what package-lock.json asks for with npm's own record of what it installed.
 * Packages for other systems are optional and may be absent, but a present one has to be the locked version.
 * @param {Record<string, {version?: string, integrity?: string, optional?: boolean, devOptional?: boolean}>} wanted
 * @param {Record<string, {version?: string, integrity?: string}>} installed
 * @returns {string | null} why the installation is stale, or null.
 */
export function staleReason(wanted, installed) {
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === "") continue;
    const present = installed[path];
    const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
    if (!present) {
      if (entry.optional || entry.devOptional) continue;
      return `${name} ${entry.version} is missing`;
    }
    if (present.version !== entry.version) return `${name} is ${present.version} instead of ${entry.version}`;
    if (entry.integrity && present.integrity && present.integrity !== entry.integrity) {
      return `${name} ${entry.version} has other content than the lockfile names`;
    }
  }
  return null;
}

/** @param {string} root repository; @returns {string} the pinned Node's executable. */
export function pinnedNode(root) {
  return join(root, "node_modules", "node", "bin", process.platform === "win32" ? "node.exe" : "node");
}

function installationComplaint(root) {
  const record = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(record)) return "dependencies are not installed yet";
  const packagesOf = (file) => JSON.parse(readFileSync(file, "utf8")).packages ?? {};
  return staleReason(packagesOf(join(root, "package-lock.json")), packagesOf(record));
}

function runNpm(root, args) {
  const fromNpm = process.env.npm_execpath;
  const [command, first] = fromNpm?.endsWith(".js") ? [process.execPath, [fromNpm]] : ["npm", []];
  const result = spawnSync(command, [...first, ...args], {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: command === "npm" && process.platform === "win32",
  });
  if (result.error)
    fail(`npm could not be started (${result.error.message}); install npm 11 and run the command again.`);
  if (result.status !== 0) {
    fail(
      `npm ${args[0]} failed with status ${result.status}; its own message is above. Check the network and run the command again.`,
    );
  }
}

function install(root, reason) {
  say(`Installing dependencies (${reason}) ...`);
  // Windows cannot replace a program that is running, and `npm ci` deletes node_modules; there npm repairs it in place.
  const replacesItself = process.platform === "win32" && process.execPath.startsWith(join(root, "node_modules"));
  runNpm(root, [replacesItself ? "install" : "ci", "--loglevel=error"]);
}

/** An npm that holds back install scripts leaves the pinned Node without its binary: run just that one script. */
function finishPinnedNode(root) {
  if (existsSync(pinnedNode(root))) return;
  say("Fetching the pinned Node ...");
  const script = spawnSync(process.execPath, ["installArchSpecificPackage"], {
    cwd: join(root, "node_modules", "node"),
    stdio: ["ignore", 2, 2],
  });
  if (script.status !== 0 || !existsSync(pinnedNode(root))) {
    fail(
      "The pinned Node could not be fetched from the npm registry; check the network, delete node_modules and run the command again.",
    );
  }
}

function runStep(root, step, args) {
  const bin = join(root, "node_modules", ".bin");
  const separator = process.platform === "win32" ? ";" : ":";
  const child = spawn(pinnedNode(root), [join(root, step), ...args], {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, PATH: `${bin}${separator}${process.env.PATH ?? ""}` },
  });
  // The terminal sends Ctrl-C to the whole group; this process only has to outlive the step and report its status.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
    process.on(signal, () => signal === "SIGINT" || child.kill(signal));
  child.on("error", (error) => fail(`The pinned Node could not be started: ${error.message}.`));
  child.on("exit", (code, signal) => {
    process.exitCode = code ?? (signal === "SIGINT" ? 130 : 1);
    process.exit();
  });
}

function say(line) {
  process.stderr.write(`${line}\n`);
}

function fail(line) {
  say(line);
  process.exit(1);
}

function main() {
  const complaint = nodeComplaint(process.versions.node);
  if (complaint) fail(complaint);
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const [step, ...args] = process.argv.slice(2);
  if (!step) fail("Usage: node build/ensure.mjs STEP [ARGUMENTS], where STEP is a script such as build/start.ts.");
  const reason = installationComplaint(root);
  if (reason) install(root, reason);
  finishPinnedNode(root);
  runStep(root, step, args);
}

if (process.argv[1] && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) main();
