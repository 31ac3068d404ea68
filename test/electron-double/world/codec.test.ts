import { describe, expect, it } from "vitest";
import { Codec } from "./codec.ts";

describe("Codec", () => {
  it("keeps cycles and shared references", () => {
    const value: Record<string, unknown> = { list: [1] };
    value["self"] = value;
    value["again"] = value["list"];
    const codec = new Codec();
    const back = codec.decode(codec.encode(value)) as Record<string, unknown>;
    expect(back["self"]).toBe(back);
    expect(back["again"]).toBe(back["list"]);
  });

  it("does not let a __proto__ key reach the prototype", () => {
    const codec = new Codec();
    const back = codec.decode(codec.encode(JSON.parse('{"__proto__":{"x":1}}'))) as { x?: number };
    expect(back.x).toBeUndefined();
    expect(Object.keys(back)).toEqual(["__proto__"]);
  });
});
