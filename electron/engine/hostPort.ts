// The wire as the engine process finds it: `process.parentPort` under Electron's utilityProcess, Node's IPC channel otherwise.
import type { HostPort } from "./transport.ts";

interface ParentPort {
  postMessage(message: unknown): void;
  on(event: "message", listener: (event: { readonly data: unknown }) => void): unknown;
}

/** Throws when the process was started by hand. */
export function openHostPort(): HostPort {
  const parentPort = (process as { parentPort?: ParentPort }).parentPort;
  if (parentPort !== undefined) {
    return {
      send: (message) => parentPort.postMessage(message),
      onMessage: (listener) => void parentPort.on("message", ({ data }) => listener(data)),
      // Electron ends a utility process together with the app.
      onClose: () => {},
    };
  }
  const send = process.send?.bind(process);
  if (send === undefined)
    throw new Error('The engine process is started by the app, not by hand; run "npm start" or "npm run chat".');
  return {
    // A failed send means that the other side has gone, which 'disconnect' tells as well.
    send: (message) => void send(message, undefined, undefined, () => {}),
    onMessage: (listener) => void process.on("message", listener),
    onClose: (listener) => void process.on("disconnect", listener),
  };
}
