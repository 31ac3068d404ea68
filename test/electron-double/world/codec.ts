/**
 * Structured clone as text, for the wire between the double's main process and a page's preload world.
 *
 * The class is self-contained because its source text is also injected into the page. It keeps what structured clone keeps
 * (typed arrays, Date, Map, Set, bigint, cycles, errors) and refuses what it refuses (functions, symbols, promises), so that
 * code which would fail in Electron fails here.
 */
type Value = string | number | boolean | null | [tag: "u"] | [tag: "n" | "g", text: string] | [tag: "r", index: number];
type Node = [kind: string, ...rest: unknown[]];

export class Codec {
  /** @throws TypeError "An object could not be cloned." as Electron does. */
  encode(value: unknown): string {
    const nodes: Node[] = [];
    const seen = new Map<object, number>();
    const root = this.#toValue(value, nodes, seen);
    return JSON.stringify({ root, nodes });
  }

  decode(text: string): unknown {
    const { root, nodes } = JSON.parse(text) as { root: Value; nodes: Node[] };
    return this.#fromValue(root, nodes, new Map());
  }

  #toValue(value: unknown, nodes: Node[], seen: Map<object, number>): Value {
    if (value === undefined) return ["u"];
    if (value === null || typeof value === "string" || typeof value === "boolean") return value;
    if (typeof value === "bigint") return ["g", String(value)];
    if (typeof value === "number") {
      if (Object.is(value, -0)) return ["n", "-0"];
      return Number.isFinite(value) ? value : ["n", String(value)];
    }
    if (typeof value !== "object") throw new TypeError("An object could not be cloned.");
    const known = seen.get(value);
    if (known !== undefined) return ["r", known];
    const index = nodes.length;
    seen.set(value, index);
    nodes.push(["pending"]);
    nodes[index] = this.#toNode(value, (inner) => this.#toValue(inner, nodes, seen));
    return ["r", index];
  }

  #toNode(value: object, encode: (inner: unknown) => Value): Node {
    const tag = Object.prototype.toString.call(value).slice(8, -1);
    if (Array.isArray(value)) return ["a", value.map(encode)];
    if (value instanceof ArrayBuffer) return ["b", this.#toBase64(new Uint8Array(value))];
    if (ArrayBuffer.isView(value)) {
      return ["t", tag, this.#toBase64(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))];
    }
    if (value instanceof Date) return ["d", value.getTime()];
    if (value instanceof Map) return ["m", [...value].map(([key, item]) => [encode(key), encode(item)])];
    if (value instanceof Set) return ["s", [...value].map(encode)];
    if (value instanceof RegExp) return ["x", value.source, value.flags];
    if (value instanceof Error) return ["e", value.name, value.message, value.stack ?? ""];
    if (tag !== "Object") throw new TypeError("An object could not be cloned.");
    return ["o", Object.entries(value).map(([key, item]) => [key, encode(item)])];
  }

  #fromValue(value: Value, nodes: Node[], made: Map<number, unknown>): unknown {
    if (!Array.isArray(value)) return value;
    if (value[0] === "u") return undefined;
    if (value[0] === "g") return BigInt(value[1]);
    if (value[0] === "n") return Number(value[1]);
    const index = Number(value[1]);
    if (made.has(index)) return made.get(index);
    return this.#fromNode(index, nodes, made);
  }

  #fromNode(index: number, nodes: Node[], made: Map<number, unknown>): unknown {
    const [kind, first, second, third] = nodes[index] ?? ["missing"];
    const decode = (inner: unknown): unknown => this.#fromValue(inner as Value, nodes, made);
    const keep = <T>(value: T): T => (made.set(index, value), value);
    const items = first as unknown[];
    const pairs = first as [unknown, unknown][];
    switch (kind) {
      case "a": {
        const array = keep<unknown[]>([]);
        for (const item of items) array.push(decode(item));
        return array;
      }
      case "o": {
        const object = keep<Record<string, unknown>>({});
        for (const [key, item] of pairs)
          Object.defineProperty(object, String(key), {
            value: decode(item),
            writable: true,
            enumerable: true,
            configurable: true,
          });
        return object;
      }
      case "m": {
        const map = keep(new Map<unknown, unknown>());
        for (const [key, item] of pairs) map.set(decode(key), decode(item));
        return map;
      }
      case "s": {
        const set = keep(new Set<unknown>());
        for (const item of items) set.add(decode(item));
        return set;
      }
      case "b":
        return keep(this.#fromBase64(String(first)).buffer);
      case "t":
        return keep(this.#view(String(first), this.#fromBase64(String(second)).buffer));
      case "d":
        return keep(new Date(Number(first)));
      case "x":
        return keep(new RegExp(String(first), String(second)));
      case "e":
        return keep(Object.assign(new Error(String(second)), { name: String(first), stack: String(third) }));
      default:
        throw new TypeError(`electron-double: a message has an unknown part '${kind}'`);
    }
  }

  #view(name: string, buffer: ArrayBuffer): ArrayBufferView {
    const constructors: Record<string, new (buffer: ArrayBuffer) => ArrayBufferView> = {
      Uint8Array,
      Int8Array,
      Uint8ClampedArray,
      Uint16Array,
      Int16Array,
      Uint32Array,
      Int32Array,
      Float32Array,
      Float64Array,
      BigInt64Array,
      BigUint64Array,
      DataView,
    };
    const View = constructors[name];
    if (!View) throw new TypeError(`electron-double: cannot pass a ${name}`);
    return new View(buffer);
  }

  #toBase64(bytes: Uint8Array): string {
    let binary = "";
    for (let at = 0; at < bytes.length; at += 0x8000) binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
    return btoa(binary);
  }

  #fromBase64(text: string): Uint8Array<ArrayBuffer> {
    const binary = atob(text);
    const bytes = new Uint8Array(binary.length);
    for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at);
    return bytes;
  }
}
