/**
 * Builds the two scripts that run in every document before the page's own: the main world's half of the context bridge, and
 * the preload world with the production preload file inside it.
 *
 * The classes are sent as their own source text, which Node has already stripped of types; so this module only works where
 * Node itself loads TypeScript, not under a bundler.
 */
import { Bridge } from "./bridge.ts";
import { Codec } from "./codec.ts";
import { PreloadWorld, type ToPage, type WorldFacts } from "./preloadWorld.ts";

export const preloadWorldName = "Electron Isolated Context";

/** @param secret names of events, binding and receiver; a page that guessed it could speak for the preload. */
export function mainWorldScript(secret: string): string {
  return `(() => {
    const Bridge = ${Bridge.toString()};
    const bridge = new Bridge('${secret}:main', '${secret}:preload', (key, value) => {
      const freeze = (item) => {
        if (typeof item !== 'object' || item === null || ArrayBuffer.isView(item)) return item;
        Object.values(item).forEach(freeze);
        return Object.freeze(item);
      };
      Object.defineProperty(window, key, { value: freeze(value), enumerable: true, configurable: false, writable: false });
    });
    const open = (url = '') => {
      bridge.expose('open', new URL(url === '' ? 'about:blank' : url, document.baseURI).href);
      return null;
    };
    Object.defineProperty(window, 'open', { value: open, configurable: false, writable: false });
  })();`;
}

export function preloadScript(secret: string, facts: WorldFacts, preload: string): string {
  return `(() => {
    if (window !== window.top) return;
    const Codec = ${Codec.toString()};
    const Bridge = ${Bridge.toString()};
    const PreloadWorld = ${PreloadWorld.toString()};
    let world;
    const bridge = new Bridge('${secret}:preload', '${secret}:main', (key, url) => world.open(url));
    world = new PreloadWorld(new Codec(), bridge, ${JSON.stringify(facts)}, globalThis['${secret}']);
    globalThis['${secret}:receive'] = (message) => world.receive(message);
    world.run((require, process, module, exports) => {
${preload}
    });
  })();`;
}

/** An expression for the preload world that hands it `message`. */
export function receiveExpression(secret: string, message: ToPage): string {
  return `globalThis['${secret}:receive'](${JSON.stringify(message)})`;
}
