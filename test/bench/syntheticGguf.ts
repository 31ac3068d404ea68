/**
 * `node test/bench/syntheticGguf.ts NAME...`: writes the synthetic models that speed is measured on to out/bench, once.
 * A stamp beside each file says which recipe made it; a file without its stamp was not finished. Every run writes the
 * same bytes.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createHash } from "node:crypto";
import { geometry, Random, tensorPieces } from "./syntheticBlocks.ts";
import { metadataOf, models, tensorsOf, type MetadataEntry, type TensorPlan } from "./syntheticShapes.ts";

export const benchFolder = fileURLToPath(new URL("../../out/bench", import.meta.url));

const alignment = 32;
const typeIds = { u32: 4, f32: 6, bool: 7, string: 8, i32: 5, array: 9 } as const;
const formatIds = { F32: 0, Q8_0: 8, Q4_K: 12, Q6_K: 14, MXFP4: 39 } as const;

/** Grows as GGUF's header is written: numbers little endian, texts with their length before them. */
class Header {
  private readonly parts: Buffer[] = [];

  u32(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return this.raw(bytes);
  }
  u64(value: number): this {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(value));
    return this.raw(bytes);
  }
  f32(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeFloatLE(value);
    return this.raw(bytes);
  }
  text(value: string): this {
    const bytes = Buffer.from(value, "utf8");
    return this.u64(bytes.length).raw(bytes);
  }
  raw(bytes: Buffer): this {
    this.parts.push(bytes);
    return this;
  }
  /** Padded to the alignment of the tensors that follow. */
  bytes(): Buffer {
    const all = Buffer.concat(this.parts);
    return Buffer.concat([all, Buffer.alloc((alignment - (all.length % alignment)) % alignment)]);
  }
}

function writeEntry(header: Header, { key, type, value }: MetadataEntry): void {
  header.text(key);
  if (type === "u32") header.u32(typeIds.u32).u32(value as number);
  if (type === "f32") header.u32(typeIds.f32).f32(value as number);
  if (type === "bool") header.u32(typeIds.bool).raw(Buffer.of(value === true ? 1 : 0));
  if (type === "string") header.u32(typeIds.string).text(value as string);
  if (type === "strings") {
    const texts = value as readonly string[];
    header.u32(typeIds.array).u32(typeIds.string).u64(texts.length);
    for (const text of texts) header.text(text);
  }
  if (type === "i32s") {
    const numbers = value as readonly number[];
    header.u32(typeIds.array).u32(typeIds.i32).u64(numbers.length);
    header.raw(Buffer.from(Int32Array.from(numbers).buffer));
  }
}

function tensorBytes({ dims, format }: TensorPlan): number {
  const values = dims.reduce((product, n) => product * n, 1);
  return (values / geometry[format].values) * geometry[format].bytes;
}

const padded = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;

function headerOf(entries: readonly MetadataEntry[], tensors: readonly TensorPlan[]): Buffer {
  const header = new Header().raw(Buffer.from("GGUF", "latin1")).u32(3).u64(tensors.length).u64(entries.length);
  for (const entry of entries) writeEntry(header, entry);
  let offset = 0;
  for (const tensor of tensors) {
    header.text(tensor.name).u32(tensor.dims.length);
    for (const n of tensor.dims) header.u64(n);
    header.u32(formatIds[tensor.format]).u64(offset);
    offset += padded(tensorBytes(tensor));
  }
  return header.bytes();
}

async function writeModel(name: string, path: string): Promise<void> {
  const shape = models.get(name);
  if (shape === undefined) throw new Error(`there is no synthetic model "${name}"`);
  const tensors = tensorsOf(shape);
  const random = new Random(20_260_901);
  await using file = await open(path, "w");
  await file.writeFile(headerOf(metadataOf(name, shape), tensors));
  for (const tensor of tensors) {
    const bytes = tensorBytes(tensor);
    for (const piece of tensorPieces(tensor.format, tensor.spread, bytes, random)) await file.writeFile(piece);
    await file.writeFile(new Uint8Array(padded(bytes) - bytes));
  }
}

/** Changes when anything that decides the bytes does. */
function recipeHash(): string {
  const sources = ["syntheticGguf.ts", "syntheticBlocks.ts", "syntheticShapes.ts"];
  const hash = createHash("sha256");
  for (const source of sources) hash.update(readFileSync(new URL(source, import.meta.url)));
  return hash.digest("hex");
}

function readStamp(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

/** Path of the synthetic model of that name, written first if it is missing or made by another recipe. */
export async function ensureSynthetic(
  name: string,
  say: (line: string) => void,
  folder: string = benchFolder,
): Promise<string> {
  if (!models.has(name))
    throw new Error(`there is no synthetic model "${name}"; there are ${[...models.keys()].join(", ")}`);
  const path = join(folder, `${name}.gguf`);
  const stamp = `${path}.stamp`;
  const size = await stat(path).then(
    (found) => found.size,
    () => -1,
  );
  const wanted = `${recipeHash()} ${size}`;
  if (size >= 0 && readStamp(stamp) === wanted) return path;
  mkdirSync(folder, { recursive: true });
  rmSync(stamp, { force: true });
  const partial = `${path}.partial`;
  const began = performance.now();
  await writeModel(name, partial);
  renameSync(partial, path);
  const { size: written } = await stat(path);
  writeFileSync(stamp, `${recipeHash()} ${written}`);
  say(`Wrote ${path}: ${(written / 1e9).toFixed(2)} GB in ${((performance.now() - began) / 1000).toFixed(1)} s.`);
  return path;
}

if (import.meta.main) {
  const names = process.argv.slice(2);
  try {
    if (names.length === 0) throw new Error(`name the models to write: ${[...models.keys()].join(", ")}`);
    for (const name of names) console.log(await ensureSynthetic(name, (line) => process.stderr.write(`${line}\n`)));
  } catch (error) {
    process.stderr.write(`Error: ${error instanceof Error ? error.message : String(error)}.\n`);
    process.exitCode = 1;
  }
}
