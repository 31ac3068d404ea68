// A worker that loads the model, answers once, generates on until it is told to end (or is terminated), and says how far it is.
import { parentPort } from "node:worker_threads";
import { answer, endless, modelPath, native } from "./engineUnderTest.ts";

const tell = (message: string): void => parentPort?.postMessage(message);

let loading = false;
const engine = await native.Engine.open({ path: modelPath, threads: 1 }, () => {
  if (!loading) tell("loading");
  loading = true;
});
await answer(engine);
const again = (): void => {
  engine.request({ tokens: Uint32Array.of(0, 1, 300), ...endless }, (batch) => {
    if (batch.tokens.length > 0) tell("generating");
    if (batch.ended !== undefined && batch.ended.reason !== "cancelled") again();
  });
};
again();
tell("done");
parentPort?.once("message", () => void engine.close());
