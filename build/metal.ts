// What can be said of the Metal kernels without a Mac: the text that a Mac's driver would compile is made here and read by
// stock clang as C++14, in which Metal's address spaces are clang's own, which do not mix. test/metal-double/metal_stdlib
// stands in for Apple's headers, for those of the Objective-C++ beside the kernels too. Whatever clang cannot see in the text is looked for in it.
import { execFile, execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { withoutComments } from "./layers.ts";
import { repositoryRoot } from "./vite.destination.ts";

const native = join(repositoryRoot, "native");

/** Makes the text of all kernels at `output` and returns it. */
export function makeMetalText(output: string): string {
  execFileSync("cmake", [
    "-D",
    `SOURCE=${native}`,
    "-D",
    `OUTPUT=${output}`,
    "-P",
    join(native, "ops", "metal", "embed.cmake"),
  ]);
  return readFileSync(output, "utf8");
}

/** What a Mac is told to make of the text, one library each. */
export function metalLibraries(): string[] {
  const table = readFileSync(join(native, "ops", "gpu", "kernel_table.h"), "utf8");
  const formats = [...table.matchAll(/FORMAT\(\d+, (\w+), __VA_ARGS__\)/g)].map(([, name = ""]) => name);
  const defines = formats.map((name) => `${name.startsWith("Kv") ? "CONCLAVE_PAGES" : "CONCLAVE_WEIGHTS"}=${name}`);
  return [...defines, "CONCLAVE_SINGLE=1"];
}

/** The first of these that can be started, or null. */
export function findClang(): string | null {
  const names = ["clang++", ...Array.from({ length: 10 }, (_, i) => `clang++-${23 - i}`)];
  return (
    names.find((name) => {
      try {
        execFileSync(name, ["--version"], { stdio: "ignore" });
        return true;
      } catch {
        return false;
      }
    }) ?? null
  );
}

const strict = ["-fsyntax-only", "-Wall", "-Wextra", "-Werror"];
const standIn = ["-isystem", join(repositoryRoot, "test", "metal-double")];

/** What clang says of the text that it is given; "" if nothing. */
function complaints(clang: string, flags: readonly string[], text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(clang, [...flags, ...strict, ...standIn, "-"], (error, _, stderr) =>
      resolve(error === null ? "" : stderr || error.message),
    );
    child.on("error", reject);
    child.stdin?.end(text);
  });
}

/** What clang has against the kernels of one library, warnings included. */
export function clangComplaints(clang: string, text: string, define: string): Promise<string> {
  const language = ["-x", "c++", "-std=c++14", "-ffreestanding", "-Xclang", "-fallow-half-arguments-and-returns"];
  // Attributes are Metal's own, and clang takes none on an explicit instantiation.
  const plain = text.replace(/\[\[[^\]]*\]\]/g, "");
  return complaints(clang, [...language, "-D__METAL_VERSION__=300", `-D${define}`], plain);
}

export const metalDevice = (): string => readFileSync(join(native, "ops", "metal", "metal_device.mm"), "utf8");

/** What clang has against the device's Objective-C++ as a Mac would build it. */
export function deviceComplaints(clang: string, text: string): Promise<string> {
  const language = ["-x", "objective-c++", "-std=c++20", "-fobjc-arc", "-fobjc-runtime=macosx-13.0"];
  return complaints(clang, [...language, `-I${native}`], text);
}

const type = String.raw`(?<![:\w])(?!const\b|return\b)[A-Za-z_][\w:]*(?:<[^<>]*>)?`;
const place = String.raw`(?<!\b(?:CONCLAVE_THREAD|CONCLAVE_ARGS|thread|constant|device|threadgroup) (?:const )?(?:typename )?)`;

const rules: readonly { readonly pattern: RegExp; readonly why: string }[] = [
  {
    pattern: new RegExp(String.raw`${place}${type}(?:& \w| \(&\w)`),
    why: "a reference must say where its object lies, CONCLAVE_THREAD or CONCLAVE_ARGS",
  },
  {
    pattern: new RegExp(String.raw`${place}(?:${type}\* \w|(?<![:\w])(?:float|int|char|bool|u?int\d+_t) ?\*)`),
    why: "a pointer must be a Global, a Shared or a Pointer",
  },
  {
    pattern: /^(?:template <[^>]*>\s*)?(?:inline |static )*constexpr\b|^ {2}static (?:inline )?constexpr\b/m,
    why: "a constant of a namespace or struct must be CONCLAVE_CONSTANT",
  },
  { pattern: /template <>\s*CONCLAVE_CONSTANT/, why: "a variable template must not be specialised" },
  { pattern: /\[[&=]?\]\s*\(|\[[&=][^\]]*\]\s*[({]/, why: "there are no lambdas" },
  { pattern: /\bstd::|\bdouble\b|\bvirtual\b|\bdynamic_cast\b/, why: "it is not in the language" },
  { pattern: /\b\d+\.\d*(?:e[+-]?\d+)?(?![\dfe.])/i, why: "a number with a point must end in f: there is no double" },
];

/** Sentences about what MSL would refuse and stock clang does not, each with the line it is about. */
export function metalViolations(text: string): string[] {
  const code = withoutComments(text);
  return rules.flatMap(({ pattern, why }) =>
    [...code.matchAll(new RegExp(pattern, `${pattern.flags.replace("g", "")}g`))].map((match) => {
      const start = code.lastIndexOf("\n", match.index + match[0].length - 1) + 1;
      return `${why}: ${code.slice(start, code.indexOf("\n", start)).trim()}`;
    }),
  );
}
