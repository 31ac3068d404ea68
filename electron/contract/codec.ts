// How messages travel over the socket: JSON in which a Uint8Array is { "$bytes": base64 }. Runs in Node and in the page.
// Own keys that begin with "$" get one more, so that nothing a caller sends can be mistaken for bytes.

const bytesKey = "$bytes";
/** Arguments per String.fromCharCode call: engines limit them. */
const chunk = 0x2000;

function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += chunk) binary += String.fromCharCode(...bytes.subarray(at, at + chunk));
  return btoa(binary);
}

function fromBase64(text: string): Uint8Array {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

export function encodeFrame(value: unknown): string {
  return JSON.stringify(value, function replace(this: unknown, key: string, given: unknown): unknown {
    // A Buffer has toJSON, so `given` may already be changed; the holder still has the original.
    const original = isPlainObject(this) || Array.isArray(this) ? (this as Record<string, unknown>)[key] : given;
    if (original instanceof Uint8Array) return { [bytesKey]: toBase64(original) };
    if (!isPlainObject(given) || !Object.keys(given).some((name) => name.startsWith("$"))) {
      return given;
    }
    return Object.fromEntries(
      Object.entries(given).map(([name, item]) => [name.startsWith("$") ? `$${name}` : name, item]),
    );
  });
}

/** @throws SyntaxError when the text is not JSON or the base64 is not base64. */
export function decodeFrame(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown) => {
    if (!isPlainObject(value)) return value;
    const names = Object.keys(value);
    if (!names.some((name) => name.startsWith("$"))) return value;
    const bytes = value[bytesKey];
    if (names.length === 1 && typeof bytes === "string") return decodeBytes(bytes);
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [name.startsWith("$$") ? name.slice(1) : name, item]),
    );
  });
}

function decodeBytes(text: string): Uint8Array {
  try {
    return fromBase64(text);
  } catch {
    throw new SyntaxError("The bytes in a frame are not base64.");
  }
}
