/**
 * Makes a gap in the double loud: reading a member it does not have throws, instead of quietly giving undefined to code
 * that asks "does this Electron have it?".
 */
export function strict<T extends object>(name: string, target: T): T {
  return new Proxy(target, {
    get(object, key) {
      if (typeof key === "string" && !(key in object) && key !== "then" && key !== "toJSON") {
        throw new Error(`electron-double: ${name}.${key} is not provided; add it to test/electron-double`);
      }
      const value: unknown = Reflect.get(object, key, object);
      // Bound, because a class with private fields does not answer through a proxy.
      return typeof value === "function" ? (value.bind(object) as unknown) : value;
    },
  });
}
