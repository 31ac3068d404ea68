// `npm run format`: rewrites the given files (default: all) in the project's format.
import { run, tool } from "./run.ts";

process.exitCode = (await run(process.execPath, [tool("oxfmt/bin/oxfmt"), ...process.argv.slice(2)])).status;
