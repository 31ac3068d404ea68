// Screenshots small enough for the repository: the PNG that the browser made, as one of at most 256 colours chosen by median
// cut (Heckbert, Color image quantization for frame buffer display, SIGGRAPH 1982). Reads what Chromium writes: eight bits a
// channel, RGB or RGBA without transparency, not interlaced (PNG specification, third edition, sections 9 and 11).
import { crc32, deflateSync, inflateSync } from "node:zlib";

interface Pixels {
  readonly width: number;
  readonly height: number;
  /** [height * width], 0xRRGGBB. */
  readonly colours: Uint32Array;
}

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const mostColours = 256;

function paeth(left: number, up: number, corner: number): number {
  const estimate = left + up - corner;
  const [toLeft, toUp, toCorner] = [Math.abs(estimate - left), Math.abs(estimate - up), Math.abs(estimate - corner)];
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}

/** Undoes the filter of each row in place. @param rows [height][1 + stride] with the filter's number first. */
function unfilter(rows: Buffer, height: number, stride: number, bytesPerPixel: number): void {
  for (let y = 0; y < height; y += 1) {
    const start = y * (stride + 1) + 1;
    const filter = rows[start - 1] ?? 0;
    for (let x = 0; x < stride; x += 1) {
      const left = x < bytesPerPixel ? 0 : (rows[start + x - bytesPerPixel] ?? 0);
      const up = y === 0 ? 0 : (rows[start + x - stride - 1] ?? 0);
      const corner = y === 0 || x < bytesPerPixel ? 0 : (rows[start + x - stride - 1 - bytesPerPixel] ?? 0);
      const added = [0, left, up, Math.floor((left + up) / 2), paeth(left, up, corner)][filter];
      if (added === undefined) throw new Error(`The PNG has a row of filter ${filter}, and there are 0 to 4.`);
      rows[start + x] = ((rows[start + x] ?? 0) + added) & 255;
    }
  }
}

function decode(png: Buffer): Pixels {
  if (!png.subarray(0, 8).equals(signature)) throw new Error("This is no PNG.");
  const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)];
  const [depth, kind, interlaced] = [png[24], png[25], png[28]];
  if (depth !== 8 || (kind !== 2 && kind !== 6) || interlaced !== 0) {
    throw new Error(
      `PNGs of ${depth} bits, kind ${kind} and interlacing ${interlaced} are not read; 8, 2 or 6, and 0 are.`,
    );
  }
  const pieces: Buffer[] = [];
  for (let at = 8; at < png.length; at += png.readUInt32BE(at) + 12) {
    const length = png.readUInt32BE(at);
    if (png.toString("latin1", at + 4, at + 8) === "IDAT") pieces.push(png.subarray(at + 8, at + 8 + length));
  }
  const bytes = kind === 6 ? 4 : 3;
  const rows = inflateSync(Buffer.concat(pieces));
  unfilter(rows, height, width * bytes, bytes);
  const colours = Uint32Array.from({ length: width * height }, (_, pixel) => {
    const at = Math.floor(pixel / width) * (width * bytes + 1) + 1 + (pixel % width) * bytes;
    return rows.readUIntBE(at, 3);
  });
  return { width, height, colours };
}

type Counted = readonly [colour: number, count: number];
const channels = [16, 8, 0] as const;
const channelOf = (colour: number, shift: number): number => (colour >> shift) & 255;

/** The channel in which the colours of a box lie farthest apart, and how far. */
function widest(box: readonly Counted[]): { readonly shift: number; readonly range: number } {
  const ranges = channels.map((shift) => {
    let [low, high] = [255, 0];
    for (const [colour] of box) {
      low = Math.min(low, channelOf(colour, shift));
      high = Math.max(high, channelOf(colour, shift));
    }
    return { shift, range: high - low };
  });
  return ranges.reduce((best, each) => (each.range > best.range ? each : best));
}

function meanOf(box: readonly Counted[]): number {
  const total = box.reduce((sum, [, count]) => sum + count, 0);
  return channels.reduce<number>((colour, shift) => {
    const sum = box.reduce((part, [each, count]) => part + channelOf(each, shift) * count, 0);
    return colour | (Math.round(sum / total) << shift);
  }, 0);
}

/** Every colour of the picture and the place of its stand-in among at most 256. */
function palette(colours: Uint32Array): { readonly places: ReadonlyMap<number, number>; readonly entries: number[] } {
  const counts = new Map<number, number>();
  for (const colour of colours) counts.set(colour, (counts.get(colour) ?? 0) + 1);
  let boxes: Counted[][] = [[...counts]];
  while (boxes.length < mostColours) {
    // What is large on the screen and far apart is parted first: faces of buttons keep their exact colours.
    const weights = boxes.map((box) => widest(box).range * Math.log2(1 + box.reduce((sum, [, n]) => sum + n, 0)));
    const index = weights.indexOf(Math.max(...weights));
    const box = boxes[index];
    if (box === undefined || weights[index] === 0) break;
    const { shift } = widest(box);
    const sorted = box.toSorted(([a], [b]) => channelOf(a, shift) - channelOf(b, shift));
    const half = sorted.reduce((sum, [, n]) => sum + n, 0) / 2;
    let seen = 0;
    const middle = sorted.findIndex(([, n]) => (seen += n) >= half);
    const cut = Math.min(sorted.length - 1, Math.max(1, middle));
    boxes = [...boxes.filter((_, at) => at !== index), sorted.slice(0, cut), sorted.slice(cut)];
  }
  const places = new Map(boxes.flatMap((box, place) => box.map(([colour]) => [colour, place] as const)));
  return { places, entries: boxes.map(meanOf) };
}

function chunk(name: string, content: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(name, "latin1"), content]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, check]);
}

/** @throws when the picture is of a kind that Chromium does not write. */
export function smallPng(png: Buffer): Buffer {
  const { width, height, colours } = decode(png);
  const { places, entries } = palette(colours);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3, 0, 0, 0], 8);
  const table = Buffer.alloc(entries.length * 3);
  entries.forEach((colour, place) => table.writeUIntBE(colour, place * 3, 3));
  const rows = Buffer.alloc(height * (width + 1));
  colours.forEach((colour, pixel) => {
    rows[Math.floor(pixel / width) * (width + 1) + 1 + (pixel % width)] = places.get(colour) ?? 0;
  });
  const content = deflateSync(rows, { level: 9, memLevel: 9 });
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    chunk("PLTE", table),
    chunk("IDAT", content),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}
