import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { TraceChunk } from "../contract/experts.ts";
import { decodeTrace, encodeTrace } from "./traceCodec.ts";

function trace(tokens: number, moeLayers: number, expertsUsed: number, expertCount: number): TraceChunk {
  const slots = tokens * moeLayers * expertsUsed;
  const experts = new Uint8Array(slots * 2);
  const view = new DataView(experts.buffer);
  for (let slot = 0; slot < slots; slot += 1) view.setUint16(slot * 2, (slot * 7) % expertCount, true);
  return {
    firstToken: 0,
    tokens,
    moeLayers,
    expertsUsed,
    expertCount,
    experts,
    weights: new Uint8Array(slots).map((_, slot) => slot % 256),
    textLengths: Array.from({ length: tokens }, (_, token) => (token * 53) % 400),
    drafted: new Uint8Array(tokens).map((_, token) => token % 2),
  };
}

describe("trace codec", () => {
  it.each([
    ["the embedded model's shape", trace(20, 8, 4, 16)],
    ["256 experts fit in one byte", trace(3, 2, 8, 256)],
    ["more than 256 need two", trace(3, 2, 8, 512)],
    ["no tokens", trace(0, 8, 4, 16)],
  ])("gives back %s", (_reason, given) => {
    expect(decodeTrace(encodeTrace(given))).toEqual(given);
  });

  it("takes less than two bytes per slot before compression helps", () => {
    const given = trace(200, 16, 8, 64);
    expect(encodeTrace(given).length).toBeLessThan(200 * 16 * 8 * 2);
  });

  it("takes under 300 kB for 1,000 tokens of OLMoE, however they are routed", () => {
    const [tokens, layers, used, experts] = [1000, 16, 8, 64];
    const given = trace(tokens, layers, used, experts);
    // The worst: every choice and every weight by chance (a generator with a seed, so that a failure can be repeated).
    let state = 7;
    const chance = (): number => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
    for (let slot = 0; slot < tokens * layers * used; slot += 1) {
      given.experts[slot * 2] = Math.floor(chance() * experts);
      given.weights[slot] = Math.floor(chance() * 256);
    }
    const blob = encodeTrace({ ...given, textLengths: given.textLengths.map(() => Math.ceil(chance() * 12)) });
    expect(blob.length).toBeLessThan(300_000);
    expect(decodeTrace(blob).experts).toEqual(given.experts);
  });

  it("reads what was stored before drafting", () => {
    const written = "AQECAAIACAAAAAAAAwAAAGNgZmNkYWdiZWBmY2QQ0bAJSKnoWbDlxB2WNUxMAA==";
    expect(decodeTrace(Buffer.from(written, "base64"))).toMatchObject({
      tokens: 3,
      textLengths: [4, 300, 2],
      drafted: new Uint8Array(3),
    });
  });

  it("refuses a cut, foreign or newer blob with one sentence", () => {
    const blob = encodeTrace(trace(20, 8, 4, 16));
    expect(() => decodeTrace(blob.subarray(0, 10))).toThrow(/10 bytes/);
    expect(() => decodeTrace(blob.subarray(0, 40))).toThrow(/cannot be read/);
    expect(() => decodeTrace(Uint8Array.of(9, ...blob.subarray(1)))).toThrow(/version 9/);
  });

  it("refuses impossible sizes before it allocates", () => {
    const blob = encodeTrace(trace(1, 1, 1, 16));
    new DataView(blob.buffer).setUint32(12, 0xffffffff, true);
    expect(() => decodeTrace(blob)).toThrow(/impossible/);
  });

  it("never throws anything but its own error on random bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeTrace(Uint8Array.of(1, 1, 0, 0, ...bytes));
        } catch (error) {
          expect(error).toMatchObject({ code: "bad-file" });
        }
      }),
    );
  });
});
