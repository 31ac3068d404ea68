/**
 * The shape of a GGUF file's key-value section as the native reader hands it over, and checked ways to read one key.
 * The file is hostile until proven otherwise: every reader names the key, what it found and what it expected.
 * Nothing here knows what a key means.
 */

export type GgufArray =
  | readonly GgufValue[]
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

export type GgufValue = string | number | bigint | boolean | GgufArray;

/** GGUF key -> value, either as a map or as a plain object. */
export type GgufMetadata = ReadonlyMap<string, GgufValue> | Readonly<Record<string, GgufValue>>;

/** A key is missing, has the wrong type, or has a value that cannot be right. */
export class MetadataError extends Error {
  override readonly name = "MetadataError";
}

export function metadataValue(metadata: GgufMetadata, key: string): GgufValue | undefined {
  if (metadata instanceof Map) return metadata.get(key);
  const record = metadata as Readonly<Record<string, GgufValue>>;
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (ArrayBuffer.isView(value)) return "a numeric array";
  return value === null ? "null" : `a ${typeof value}`;
}

function wrongType(key: string, expected: string, value: unknown): MetadataError {
  return new MetadataError(
    `The model file's "${key}" is ${describe(value)} where ${expected} belongs; download the file again or use another conversion of the model.`,
  );
}

export function stringAt(metadata: GgufMetadata, key: string): string | undefined {
  const value = metadataValue(metadata, key);
  if (value !== undefined && typeof value !== "string") throw wrongType(key, "a text", value);
  return value;
}

export function booleanAt(metadata: GgufMetadata, key: string): boolean | undefined {
  const value = metadataValue(metadata, key);
  if (value !== undefined && typeof value !== "boolean") throw wrongType(key, "true or false", value);
  return value;
}

/** An integer that a double holds exactly. */
export function integerAt(metadata: GgufMetadata, key: string): number | undefined {
  const value = metadataValue(metadata, key);
  if (value === undefined) return undefined;
  const number = typeof value === "bigint" ? Number(value) : value;
  if (typeof number !== "number" || !Number.isSafeInteger(number)) throw wrongType(key, "a whole number", value);
  return number;
}

/** An array of strings of at most `maxCount` entries, `maxLength` UTF-16 units each; the array itself is not copied. */
export function stringsAt(
  metadata: GgufMetadata,
  key: string,
  maxCount: number,
  maxLength: number,
): readonly string[] | undefined {
  const value = metadataValue(metadata, key);
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) throw wrongType(key, "a list of texts", value);
  if (value.length > maxCount)
    throw new MetadataError(
      `The model file's "${key}" has ${value.length} entries, more than the ${maxCount} that are accepted; the file is probably damaged.`,
    );
  for (let i = 0; i < value.length; i++) {
    const item: unknown = value[i];
    if (typeof item !== "string") throw wrongType(`${key}[${i}]`, "a text", item);
    if (item.length > maxLength)
      throw new MetadataError(
        `The model file's "${key}[${i}]" is ${item.length} characters long, more than the ${maxLength} that are accepted; the file is probably damaged.`,
      );
  }
  return value as readonly string[];
}

/** An array of exactly `count` finite numbers. */
export function numbersAt(metadata: GgufMetadata, key: string, count: number): ArrayLike<number> | undefined {
  const value = metadataValue(metadata, key);
  if (value === undefined) return undefined;
  const isNumeric =
    ArrayBuffer.isView(value) && !(value instanceof BigInt64Array) && !(value instanceof BigUint64Array);
  if (!Array.isArray(value) && !isNumeric) throw wrongType(key, "a list of numbers", value);
  const list = value as ArrayLike<unknown>;
  if (list.length !== count)
    throw new MetadataError(
      `The model file's "${key}" has ${list.length} entries for ${count} tokens; download the file again or use another conversion of the model.`,
    );
  for (let i = 0; i < list.length; i++) {
    if (!Number.isFinite(list[i])) throw wrongType(`${key}[${i}]`, "a finite number", list[i]);
  }
  return list as ArrayLike<number>;
}
