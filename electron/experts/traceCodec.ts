// An answer's routing as one compact blob. Layout, little endian:
//   u8 version | u8 bytes per expert (1 or 2) | u16 moeLayers | u16 expertsUsed | u16 expertCount | u32 firstToken | u32 tokens
//   deflate of: experts [tokens][moeLayers][expertsUsed] | weights u8 [same shape] | drafted u8 [tokens] | text lengths as LEB128 [tokens]
// Version 1 has no `drafted`: those answers were made before drafting.
// A blob comes from the user's disk: sizes are checked before anything is allocated for them.
import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { TraceChunk } from "../contract/experts.ts";
import { AppError } from "../contract/errors.ts";

const version = 2;
const versionBeforeDrafting = 1;
const headerBytes = 16;
/** Slots of one answer: a million tokens of a small model, or 40 thousand of a large one. */
const maxSlots = 1 << 26;
const maxTextLengthBytes = 5;

export function encodeTrace(trace: TraceChunk): Uint8Array {
  const slots = trace.tokens * trace.moeLayers * trace.expertsUsed;
  const expertBytes = trace.expertCount <= 256 ? 1 : 2;
  const lengths = encodeLengths(trace.textLengths);
  const body = new Uint8Array(slots * expertBytes + slots + trace.tokens + lengths.length);
  if (expertBytes === 2) body.set(trace.experts.subarray(0, slots * 2));
  else for (let slot = 0; slot < slots; slot += 1) body[slot] = trace.experts[slot * 2] ?? 0;
  body.set(trace.weights.subarray(0, slots), slots * expertBytes);
  body.set(trace.drafted.subarray(0, trace.tokens), slots * expertBytes + slots);
  body.set(lengths, slots * expertBytes + slots + trace.tokens);
  const packed = deflateRawSync(body, { level: 6 });
  const blob = new Uint8Array(headerBytes + packed.length);
  const view = new DataView(blob.buffer);
  view.setUint8(0, version);
  view.setUint8(1, expertBytes);
  view.setUint16(2, trace.moeLayers, true);
  view.setUint16(4, trace.expertsUsed, true);
  view.setUint16(6, trace.expertCount, true);
  view.setUint32(8, trace.firstToken, true);
  view.setUint32(12, trace.tokens, true);
  blob.set(packed, headerBytes);
  return blob;
}

/** @throws AppError 'bad-file' when the blob is not a trace, or of a newer version. */
export function decodeTrace(blob: Uint8Array): TraceChunk {
  if (blob.length < headerBytes) throw damaged(`it has ${blob.length} bytes`);
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  const [written] = blob;
  if (written !== version && written !== versionBeforeDrafting) throw damaged(`version ${written} is unknown`);
  const expertBytes = view.getUint8(1);
  const [moeLayers, expertsUsed, expertCount] = [
    view.getUint16(2, true),
    view.getUint16(4, true),
    view.getUint16(6, true),
  ];
  const [firstToken, tokens] = [view.getUint32(8, true), view.getUint32(12, true)];
  const slots = tokens * moeLayers * expertsUsed;
  if (slots > maxSlots || tokens > maxSlots || (expertBytes !== 1 && expertBytes !== 2))
    throw damaged("its sizes are impossible");
  const body = inflate(blob.subarray(headerBytes), slots * (expertBytes + 1) + tokens * (1 + maxTextLengthBytes));
  const draftedAt = slots * (expertBytes + 1);
  const lengthsAt = written === versionBeforeDrafting ? draftedAt : draftedAt + tokens;
  if (body.length < lengthsAt) throw damaged("it is cut short");
  const experts = new Uint8Array(slots * 2);
  if (expertBytes === 2) experts.set(body.subarray(0, slots * 2));
  else for (let slot = 0; slot < slots; slot += 1) experts[slot * 2] = body[slot] ?? 0;
  return {
    firstToken,
    tokens,
    moeLayers,
    expertsUsed,
    expertCount,
    experts,
    // Not slice: on a Buffer that shares memory.
    weights: new Uint8Array(body.subarray(slots * expertBytes, draftedAt)),
    textLengths: decodeLengths(body.subarray(lengthsAt), tokens),
    drafted: lengthsAt === draftedAt ? new Uint8Array(tokens) : new Uint8Array(body.subarray(draftedAt, lengthsAt)),
  };
}

function inflate(packed: Uint8Array, maxOutputLength: number): Uint8Array {
  try {
    return inflateRawSync(packed, { maxOutputLength: Math.max(1, maxOutputLength) });
  } catch (error) {
    throw damaged(error instanceof Error ? error.message : String(error));
  }
}

function encodeLengths(lengths: readonly number[]): Uint8Array {
  const bytes: number[] = [];
  for (const length of lengths) {
    let rest = length;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
    bytes.push(rest);
  }
  return Uint8Array.from(bytes);
}

function decodeLengths(bytes: Uint8Array, tokens: number): number[] {
  const lengths: number[] = [];
  let value = 0;
  let scale = 1;
  for (const byte of bytes) {
    value += (byte & 0x7f) * scale;
    scale *= 0x80;
    if (byte < 0x80) {
      lengths.push(value);
      [value, scale] = [0, 1];
    }
  }
  if (lengths.length !== tokens || scale !== 1) throw damaged(`${lengths.length} of ${tokens} text lengths are there`);
  return lengths;
}

function damaged(why: string): AppError {
  return new AppError(
    "bad-file",
    `The stored expert trace of this answer cannot be read: ${why}; answer again to get a new one.`,
  );
}
