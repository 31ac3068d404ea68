/**
 * Random tensor bytes, drawn directly in their stored form: codes are uniform bits, scales are chosen so that the decoded
 * values have mean zero and the wanted spread. No float copy and no quantiser is involved, so gigabytes take seconds.
 * Layouts are GGUF's (little endian), stated where they are written.
 */
import type { BlockFormat } from "./syntheticShapes.ts";

/** Values and bytes of one block. */
export const geometry: Readonly<Record<BlockFormat, { readonly values: number; readonly bytes: number }>> = {
  F32: { values: 1, bytes: 4 },
  Q8_0: { values: 32, bytes: 34 },
  Q4_K: { values: 256, bytes: 144 },
  Q6_K: { values: 256, bytes: 210 },
  MXFP4: { values: 32, bytes: 17 },
};

/** Small fast counter generator (sfc32, Chris Doty-Humphrey's PractRand): 32 random bits a call, the same for the same seed. */
export class Random {
  private a: number;
  private b: number;
  private c = 0x9e3779b9;
  private counter = 1;

  constructor(seed: number) {
    this.a = seed | 0;
    this.b = (seed / 2 ** 32) | 0;
    this.draw(new Uint32Array(16));
  }

  draw(out: Uint32Array): void {
    let { a, b, c, counter } = this;
    for (let i = 0; i < out.length; i++) {
      const sum = (a + b + counter) | 0;
      counter = (counter + 1) | 0;
      a = b ^ (b >>> 9);
      b = (c + (c << 3)) | 0;
      c = (((c << 21) | (c >>> 11)) + sum) | 0;
      out[i] = sum;
    }
    this.a = a;
    this.b = b;
    this.c = c;
    this.counter = counter;
  }
}

/** Half-precision bits of a positive number, rounded down in the last place. */
export function halfBits(value: number): number {
  const exponent = Math.max(Math.floor(Math.log2(value)), -14);
  if (exponent > 15) throw new RangeError(`${value} is too large for half precision`);
  const units = Math.floor((value / 2 ** exponent) * 1024); // below 1024: subnormal, without the hidden bit
  return units < 1024 ? units : ((exponent + 15) << 10) | (units - 1024);
}

function valueOfHalf(bits: number): number {
  const exponent = bits >> 10;
  return exponent === 0 ? bits * 2 ** -24 : 2 ** (exponent - 15) * (1 + (bits & 1023) / 1024);
}

/** 256 scales within 10 % of `centre`: what a random byte picks from. */
function scaleTable(centre: number): Uint16Array {
  return Uint16Array.from({ length: 256 }, (_, i) => halfBits(centre * (0.9 + (0.2 * i) / 255)));
}

type Filler = (bytes: Uint8Array, words: Uint32Array) => void;

function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value & 255;
  bytes[at + 1] = value >> 8;
}

/** x = d q, q in [-128, 127]: 16-bit d, 32 codes. */
function fillQ8(spread: number): Filler {
  const scales = scaleTable(spread / 73.9);
  return (bytes) => {
    for (let at = 0; at < bytes.length; at += 34) put16(bytes, at, scales[bytes[at] ?? 0] ?? 0);
  };
}

/**
 * x = d s q - m t, q in [0, 15] of mean 7.5 and deviation 4.61, sub-block scale s and minimum t of six bits: d, m, twelve
 * bytes of (s, t) pairs, 128 bytes of codes. With t = s and m = 7.5 d the mean is zero; s is 33 to 63.
 */
function fillQ4K(spread: number): Filler {
  const scales = scaleTable(spread / (4.61 * 48));
  const minima = scales.map((bits) => halfBits(7.5 * valueOfHalf(bits)));
  return (bytes) => {
    for (let at = 0; at < bytes.length; at += 144) {
      const pick = bytes[at] ?? 0;
      put16(bytes, at, scales[pick] ?? 0);
      put16(bytes, at + 2, minima[pick] ?? 0);
      for (let j = 0; j < 4; j++) {
        const low = 32 | ((bytes[at + 4 + j] ?? 0) & 31 || 1);
        const high = 32 | ((bytes[at + 8 + j] ?? 0) & 31 || 1);
        bytes[at + 4 + j] = low | ((high >> 4) << 6);
        bytes[at + 8 + j] = low | ((high >> 4) << 6);
        bytes[at + 12 + j] = (high & 15) * 17;
      }
    }
  };
}

/** x = d s (q - 32), q of six bits: 192 bytes of codes, 16 signed scales, d. s is 6 to 10. */
function fillQ6K(spread: number): Filler {
  const scales = scaleTable(spread / (18.5 * 8));
  return (bytes) => {
    for (let at = 0; at < bytes.length; at += 210) {
      for (let j = 192; j < 208; j++) bytes[at + j] = 6 + ((bytes[at + j] ?? 0) % 5);
      put16(bytes, at + 208, scales[bytes[at + 208] ?? 0] ?? 0);
    }
  };
}

/** x = 2^(e - 127) v, v from +-{0, 0.5, 1, 1.5, 2, 3, 4, 6} of deviation 2.93: e, then 16 bytes of two codes each. */
function fillMxfp4(spread: number): Filler {
  const exponent = 127 + Math.round(Math.log2(spread / 2.93));
  return (bytes) => {
    for (let at = 0; at < bytes.length; at += 17) bytes[at] = exponent;
  };
}

/** Floats: the sum of four uniform bytes is close enough to normal. */
function fillFloats(spread: number): Filler {
  const scale = spread / (2 * 73.9);
  return (bytes, words) => {
    const floats = new Float32Array(bytes.buffer, bytes.byteOffset, words.length);
    for (let i = 0; i < words.length; i++) {
      const word = words[i] ?? 0;
      floats[i] = ((word & 255) + ((word >>> 8) & 255) + ((word >>> 16) & 255) + (word >>> 24) - 510) * scale;
    }
  };
}

function fillerOf(format: BlockFormat, spread: number): Filler {
  switch (format) {
    case "F32":
      return fillFloats(spread);
    case "Q8_0":
      return fillQ8(spread);
    case "Q4_K":
      return fillQ4K(spread);
    case "Q6_K":
      return fillQ6K(spread);
    case "MXFP4":
      return fillMxfp4(spread);
  }
}

/** About 16 MB, and a whole number of blocks of every format and of 32-bit words. */
const pieceBytes = 34 * 144 * 35 * 96;

/** The bytes of one tensor, in pieces; each piece is overwritten by the next. */
export function* tensorPieces(
  format: BlockFormat,
  spread: number | "ones",
  totalBytes: number,
  random: Random,
): Generator<Uint8Array> {
  const whole = new Uint8Array(Math.ceil(Math.min(pieceBytes, totalBytes) / 4) * 4);
  const fill = spread === "ones" ? null : fillerOf(format, spread);
  for (let done = 0; done < totalBytes; done += whole.length) {
    const words = new Uint32Array(whole.buffer);
    random.draw(words);
    const piece = whole.subarray(0, Math.min(whole.length, totalBytes - done));
    if (fill === null) new Float32Array(whole.buffer).fill(1);
    else fill(piece, words);
    yield piece;
  }
}
