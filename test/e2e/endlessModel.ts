// The embedded model without an end: a copy that never says its end-of-text token, so that an answer lasts until something
// stops it. Stop, crash and live panels need a middle of an answer to act in, and this model writes more than a thousand
// tokens a second.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "./entries/entry.ts";

export const endlessModelName = "Conclave Long";

const embeddedModel = join(repositoryRoot, "models/default/tiny-Q8_0.gguf");
const uint32Type = 4;
const q8BlockValues = 32;
const q8BlockBytes = 34;
const dataAlignment = 32;
const longContext = 16_384;

/** Writes the copy into `folder`. @param context tokens that it says to hold. @returns its path. */
export function writeEndlessModel(folder: string, context = longContext): string {
  const file = readFileSync(embeddedModel);
  replaceName(file);
  replaceNumber(file, "olmoe.context_length", context);
  silenceEndOfText(file);
  const path = join(folder, "endless.gguf");
  writeFileSync(`${path}.part`, file);
  renameSync(`${path}.part`, path);
  return path;
}

/** In place, so the new name has the old one's length. */
function replaceName(file: Buffer): void {
  const at = file.indexOf("Conclave Tiny");
  if (at < 0) throw new Error(`${embeddedModel} is not called Conclave Tiny`);
  file.write(endlessModelName, at, "utf8");
}

function replaceNumber(file: Buffer, key: string, value: number): void {
  const at = file.indexOf(key) + key.length;
  if (at < key.length || file.readUInt32LE(at) !== uint32Type) throw new Error(`${embeddedModel} has no number ${key}`);
  file.writeUInt32LE(value, at + 4);
}

/** Token 0 ends the text; with an output row of zeros it scores 0, and the sampler's min-p drops it. */
function silenceEndOfText(file: Buffer): void {
  const { width, offset } = outputTensor(file);
  file.fill(0, offset, offset + (width / q8BlockValues) * q8BlockBytes);
}

/** Walks the tensor descriptions: name, dimensions (inner first), type, offset in the data section. */
function outputTensor(file: Buffer): { width: number; offset: number } {
  const count = Number(file.readBigUInt64LE(8));
  let at = file.indexOf(lengthPrefixed("token_embd.weight"));
  let found: { width: number; offset: number } | undefined;
  for (let tensor = 0; tensor < count; tensor++) {
    const nameLength = Number(file.readBigUInt64LE(at));
    const name = file.toString("utf8", at + 8, at + 8 + nameLength);
    at += 8 + nameLength;
    const dimensions = file.readUInt32LE(at);
    const width = Number(file.readBigUInt64LE(at + 4));
    at += 4 + dimensions * 8 + 4;
    if (name === "output.weight") found = { width, offset: Number(file.readBigUInt64LE(at)) };
    at += 8;
  }
  if (found === undefined) throw new Error(`${embeddedModel} has no output.weight`);
  return { width: found.width, offset: Math.ceil(at / dataAlignment) * dataAlignment + found.offset };
}

function lengthPrefixed(text: string): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, Buffer.from(text)]);
}
