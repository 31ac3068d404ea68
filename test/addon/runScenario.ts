// Child entry of addon.test.ts: runs the scenario named on the command line and then only waits for the event loop to end.
import { scenarioNames } from "./scenarioNames.ts";
import { scenarios } from "./scenarios.ts";

const name = scenarioNames.find((candidate) => candidate === process.argv[2]);
if (name === undefined) throw new Error(`There is no scenario "${process.argv[2]}".`);
// The channel to the parent would keep the event loop alive and hide a handle that the addon forgot.
process.disconnect();
await scenarios[name]();
