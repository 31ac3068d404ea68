// The bridge into the page: window.conclave with two functions, which carry nothing but the names of the contract. Runs in
// a sandbox, as one CommonJS file; holds no product logic, and never hands out ipcRenderer.
import { contextBridge, ipcRenderer } from "electron";
import { allCallChannels, allEventChannels, callChannel, eventChannel } from "../contract/ipc.ts";

type Listener = (payload: unknown) => void;

const calls: ReadonlySet<string> = new Set(allCallChannels());
const listeners = new Map<string, Set<Listener>>(allEventChannels().map((channel) => [channel, new Set()]));

for (const [channel, set] of listeners) {
  ipcRenderer.on(channel, (_event, payload: unknown) => {
    for (const listener of set) listener(payload);
  });
}

contextBridge.exposeInMainWorld("conclave", {
  /** @returns {ok: true, value} or {ok: false, error}; rejects only when the main process is gone. */
  async call(service: string, call: string, input: unknown): Promise<unknown> {
    const channel = callChannel(service, call);
    if (calls.has(channel)) return ipcRenderer.invoke(channel, input);
    return { ok: false, error: { code: "bad-argument", message: `There is no call named ${channel}.` } };
  },
  /** @returns a function that ends the subscription. */
  on(service: string, event: string, listener: Listener): () => void {
    const set = listeners.get(eventChannel(service, event));
    if (set === undefined) throw new Error(`There is no event named ${eventChannel(service, event)}.`);
    set.add(listener);
    return () => void set.delete(listener);
  },
});
