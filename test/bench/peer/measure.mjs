/**
 * One measurement of the peer in a process of its own: `node measure.mjs MODEL PROMPT DECODE THREADS`. Loads the model,
 * runs once to warm up, then prefills PROMPT tokens and decodes DECODE more, greedily, and prints one JSON line. The peer's
 * own defaults are kept, but for the thread count and a batch that takes the usual prompt whole.
 */
import { performance } from "node:perf_hooks";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

const [modelPath, ...numbers] = process.argv.slice(2);
const [promptLength, decodeLength, threads] = numbers.map(Number);

const llama = await getLlama({
  gpu: false,
  build: "never",
  maxThreads: 0,
  logLevel: LlamaLogLevel.error,
  progressLogs: false,
});
const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
const contextSize = promptLength + decodeLength + 8;
const context = await model.createContext({ contextSize, batchSize: 512, threads: { ideal: threads, min: threads } });
const sequence = context.getSequence();
// Any ordinary tokens do: the cost of a token does not depend on which it is. The last two of the vocabulary are control tokens.
const vocabulary = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
const wholePrompt = Array.from({ length: promptLength }, (_, i) => (i * 7919 + 13) % (vocabulary - 2));

const secondsSince = (began) => (performance.now() - began) / 1000;

/** Exactly `promptLength` tokens of prefill and `decodeLength` steps of one token, as in Conclave's own bench. */
async function measure(prompt) {
  await sequence.clearHistory();
  const prefillBegan = performance.now();
  await sequence.evaluateWithoutGeneratingNewTokens(prompt);
  const prefill = secondsSince(prefillBegan);
  const tokens = sequence.evaluate([13], { temperature: 0, yieldEogToken: true });
  const decodeBegan = performance.now();
  let decoded = 0;
  while (decoded < decodeLength && !(await tokens.next()).done) decoded++;
  const decode = secondsSince(decodeBegan);
  await tokens.return();
  return { prefill_tps: prompt.length / prefill, decode_tps: decoded / decode };
}

await measure(wholePrompt.slice(0, 512));
const result = await measure(wholePrompt);
const { release } = llama.llamaCppRelease;
console.log(JSON.stringify({ ...result, release, rss_bytes: process.memoryUsage().rss }));
process.exit(0);
