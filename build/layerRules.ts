// The allowed direction of imports and #includes, as data (ARCHITECTURE, section 2, is the prose). A zone is a folder or
// a file; a file belongs to the zone with the longest matching path. Edges not listed are forbidden; a zone may always
// import itself. build/layers.ts applies the table.

export interface Zone {
  readonly path: string;
  /** Zones it may import; an entry that is no zone is a file, or a folder and a word in the file's name: `dir/*word*`. */
  readonly mayImport: readonly string[];
}

const services = ["chat", "templates", "models", "experts", "settings", "server"].map((name) => `electron/${name}`);
const belowServices = ["electron/db", "electron/engine", "electron/contract"];
const belowEntries = ["electron/app", ...services, ...belowServices];
const features = ["chat", "templates", "models", "experts", "settings"].map((name) => `renderer/${name}`);
const belowFeatures = ["renderer/ui", "renderer/platform", "renderer/i18n", "electron/contract"];

export const typescriptZones: readonly Zone[] = [
  { path: "electron/contract", mayImport: [] },
  { path: "electron/preload", mayImport: ["electron/contract"] },
  { path: "electron/db", mayImport: ["electron/contract"] },
  { path: "electron/engine", mayImport: ["electron/contract"] },
  { path: "electron/engine/host.ts", mayImport: ["electron/engine", "electron/contract", "native"] },
  ...services.map((path) => ({ path, mayImport: belowServices })),
  { path: "electron/app", mayImport: [...services, ...belowServices] },
  { path: "electron/main", mayImport: belowEntries },
  { path: "electron/web", mayImport: belowEntries },
  { path: "electron/cli", mayImport: belowEntries },
  { path: "renderer/i18n", mayImport: ["electron/contract"] },
  { path: "renderer/ui", mayImport: ["renderer/i18n"] },
  { path: "renderer/platform", mayImport: ["renderer/i18n", "electron/contract"] },
  ...features.map((path) => ({ path, mayImport: belowFeatures })),
  { path: "renderer/app", mayImport: [...features, ...belowFeatures] },
  { path: "renderer", mayImport: ["renderer/app", ...features, ...belowFeatures] },
  { path: "native", mayImport: [] },
  { path: "build", mayImport: ["forge.config.ts"] },
];

/** Packages that only some files may import. Type-only imports count: they tie a file to the package all the same. */
export const guardedPackages: readonly { readonly name: string; readonly onlyIn: readonly string[] }[] = [
  { name: "better-sqlite3", onlyIn: ["electron/db"] },
  { name: "electron", onlyIn: ["electron/main", "electron/preload"] },
];

/** Zones that run outside Node, or on both sides, and so import none of its modules. */
export const withoutNode: readonly string[] = ["renderer", "electron/contract"];

// The arguments of some ops are enums and records of the spec, so the interface sees that one header.
const interfaceOfOps = [
  "native/ops/ops.h",
  "native/ops/tensor.h",
  "native/ops/top_logits.h",
  "native/ops/forwarding_ops.h",
  "native/ops/kernel_args.h",
];
const blockFormats = "native/formats/*block*";
const backend = ["native/ops", blockFormats, "native/formats/half.h", "native/model/spec.h", "native/base"];
const belowWeights = ["native/model", "native/formats", "native/base"];
const belowForward = ["native/kv", "native/weights", ...interfaceOfOps, ...belowWeights];
const belowEngine = ["native/speculate", "native/forward", "native/sample", ...belowForward];

export const nativeZones: readonly Zone[] = [
  { path: "native/base", mayImport: [] },
  { path: "native/formats", mayImport: ["native/base"] },
  { path: "native/model", mayImport: ["native/formats", "native/base"] },
  { path: "native/convert", mayImport: ["native/formats", "native/base"] },
  { path: "native/weights", mayImport: [...interfaceOfOps, ...belowWeights] },
  { path: "native/ops", mayImport: [blockFormats, "native/model/spec.h", "native/base"] },
  {
    path: "native/ops/backends.cpp",
    mayImport: ["native/ops", "native/ops/cpu", "native/ops/cuda", "native/ops/metal", "native/base"],
  },
  { path: "native/ops/cpu", mayImport: backend },
  // The kernels are written once and include the words of the device that they are compiled for.
  {
    path: "native/ops/gpu",
    mayImport: [...backend, "native/ops/cuda/simt.h", "native/ops/metal/simt.h", "native/ops/gpu_host/simt.h"],
  },
  {
    path: "native/ops/gpu_host",
    mayImport: [...backend, "native/ops/gpu", "native/ops/metal/words.h", "native/ops/metal/fragments.h"],
  },
  { path: "native/ops/cuda", mayImport: [...backend, "native/ops/gpu"] },
  { path: "native/ops/metal", mayImport: [...backend, "native/ops/gpu"] },
  // Snapshots are mapped; the file formats themselves are none of its business.
  { path: "native/kv", mayImport: [...interfaceOfOps, "native/formats/mapped_file.h", "native/base"] },
  { path: "native/forward", mayImport: belowForward },
  { path: "native/sample", mayImport: [...interfaceOfOps, "native/base"] },
  { path: "native/speculate", mayImport: ["native/forward", "native/sample", ...belowForward] },
  { path: "native/engine", mayImport: belowEngine },
  {
    path: "native/addon",
    mayImport: [
      "native/engine/engine.h",
      "native/base/error.h",
      "native/base/sha256.h",
      "native/formats/gguf.h",
      "native/model/spec.h",
    ],
  },
  { path: "native/tools", mayImport: ["native"] },
  { path: "native/test", mayImport: ["native"] },
];

/** Node's headers, which only the addon may include. */
export const nodeHeaders = /^(?:napi|node_api|js_native_api|node|v8|uv)(?:-inl)?(?:_types)?\.h$/;

/** Words that must not occur in the code (comments aside) of a zone. */
export const forbiddenWords: readonly {
  readonly zone: string;
  readonly except: readonly string[];
  readonly word: RegExp;
  readonly why: string;
}[] = [
  {
    zone: "renderer",
    except: ["renderer/platform/client.ts"],
    word: /\b(?:window|globalThis|self)\s*(?:\.\s*conclave\b|\[\s*["']conclave["'])/,
    why: "only renderer/platform/client.ts touches window.conclave",
  },
  {
    zone: "native/forward",
    except: [],
    word: /\b(?:cpu|cuda|metal)(?:_\w+)?\b/i,
    why: "forward/ names no backend",
  },
];
