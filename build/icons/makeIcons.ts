// Renders icon.svg into the formats the installers want: icon.png (Linux), icon.ico (Windows), icon.icns (macOS). Run by
// hand after changing the drawing (`node build/icons/makeIcons.ts`); the results are committed, so packaging needs no
// browser. ICO and ICNS are both containers that may hold PNG files as they are.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { ensureChromium } from "../chromium.ts";

const folder = import.meta.dirname;

/** ICO: 6-byte header, 16 bytes per image, then the PNG files. A side of 256 is written as 0. */
function ico(images: readonly { side: number; png: Buffer }[]): Buffer {
  const header = Buffer.alloc(6 + 16 * images.length);
  header.writeUInt16LE(1, 2);
  header.writeUInt16LE(images.length, 4);
  let offset = header.length;
  images.forEach(({ side, png }, index) => {
    const at = 6 + 16 * index;
    header.writeUInt8(side % 256, at);
    header.writeUInt8(side % 256, at + 1);
    header.writeUInt16LE(1, at + 4);
    header.writeUInt16LE(32, at + 6);
    header.writeUInt32LE(png.length, at + 8);
    header.writeUInt32LE(offset, at + 12);
    offset += png.length;
  });
  return Buffer.concat([header, ...images.map(({ png }) => png)]);
}

/** ICNS: "icns" and the total size, then for each image its type, its size with these 8 bytes, and the PNG file. */
function icns(images: readonly { type: string; png: Buffer }[]): Buffer {
  const tagged = (tag: string, body: Buffer): Buffer => {
    const head = Buffer.alloc(8);
    head.write(tag, "latin1");
    head.writeUInt32BE(8 + body.length, 4);
    return Buffer.concat([head, body]);
  };
  return tagged("icns", Buffer.concat(images.map(({ type, png }) => tagged(type, png))));
}

const svg = readFileSync(join(folder, "icon.svg"), "utf8");
const browser = await chromium.launch({ executablePath: await ensureChromium(), args: ["--no-sandbox"] });
const page = await browser.newPage();
const render = async (side: number): Promise<Buffer> => {
  await page.setViewportSize({ width: side, height: side });
  await page.setContent(`<style>body{margin:0}svg{display:block;width:${side}px;height:${side}px}</style>${svg}`);
  return page.screenshot({ omitBackground: true });
};
const large = await render(512);
const middle = await render(256);
writeFileSync(join(folder, "icon.png"), large);
writeFileSync(
  join(folder, "icon.ico"),
  ico([
    { side: 256, png: middle },
    { side: 48, png: await render(48) },
    { side: 16, png: await render(16) },
  ]),
);
writeFileSync(
  join(folder, "icon.icns"),
  icns([
    { type: "ic09", png: large },
    { type: "ic08", png: middle },
    { type: "ic07", png: await render(128) },
  ]),
);
await browser.close();
