import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeFrame, encodeFrame } from "./codec.ts";

describe("frame codec", () => {
  it("carries bytes at any depth, also as a Buffer", () => {
    const value = { id: 1, chunk: { experts: new Uint8Array([0, 255, 7]), list: [new Uint8Array(0)] } };
    expect(decodeFrame(encodeFrame(value))).toEqual(value);
    expect(decodeFrame(encodeFrame({ b: Buffer.from([1, 2]) }))).toEqual({ b: new Uint8Array([1, 2]) });
  });

  it("carries a long array without hitting the limit on arguments", () => {
    const bytes = new Uint8Array(300_000).map((_, index) => index % 251);
    expect(decodeFrame(encodeFrame(bytes))).toEqual(bytes);
  });

  it("keeps a caller's own $bytes key a key", () => {
    for (const value of [
      { $bytes: "AAAA" },
      { $$bytes: "AAAA" },
      { $bytes: 1, other: 2 },
      { $bytes: { $bytes: "AA" } },
    ]) {
      expect(decodeFrame(encodeFrame(value))).toEqual(value);
    }
  });

  it("gives back any JSON value", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(decodeFrame(encodeFrame(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it("refuses what is not JSON and bytes that are not base64", () => {
    expect(() => decodeFrame("{")).toThrow(SyntaxError);
    expect(() => decodeFrame('{"$bytes":"*"}')).toThrow(SyntaxError);
  });
});
