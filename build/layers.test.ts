import { describe, expect, it } from "vitest";
import { describeViolation, judge, withoutComments } from "./layers.ts";

const everything = (): boolean => true;

function messages(file: string, source: string): string[] {
  return judge(file, source, everything).map(({ message }) => message);
}

describe("forbidden edges, each planted once", () => {
  const planted: [reason: string, file: string, source: string, message: RegExp][] = [
    [
      "a service imports another",
      "electron/chat/chatService.ts",
      'import { a } from "../models/library.ts";',
      /must not import electron\/models/,
    ],
    ["the contract imports ours", "electron/contract/chat.ts", 'export * from "../db/open.ts";', /nothing of ours/],
    ["the contract needs Node", "electron/contract/chat.ts", 'import { join } from "node:path";', /outside Node/],
    [
      "a service opens the database",
      "electron/chat/a.ts",
      'import Database from "better-sqlite3";',
      /only electron\/db/,
    ],
    ["the web entry needs Electron", "electron/web/main.ts", 'import { app } from "electron";', /may import electron$/],
    [
      "a type ties a service to Electron",
      "electron/app/a.ts",
      'import type { App } from "electron/main";',
      /may import electron$/,
    ],
    [
      "a client loads the engine",
      "electron/engine/engineClient.ts",
      'import n from "../../native/index.cjs";',
      /must not import native/,
    ],
    [
      "the database calls a service",
      "electron/db/a.ts",
      'const a = await import("../chat/chatService.ts");',
      /must not import electron\/chat/,
    ],
    [
      "the renderer imports a service",
      "renderer/chat/Thread.tsx",
      'import "../../electron/chat/transcript.ts";',
      /must not import electron\/chat/,
    ],
    [
      "a feature imports another",
      "renderer/chat/Thread.tsx",
      'import { a } from "../experts/pane.tsx";',
      /must not import renderer\/experts/,
    ],
    [
      "a button knows the domain",
      "renderer/ui/Button.tsx",
      'import { a } from "../../electron/contract/chat.ts";',
      /renderer\/ui must not import electron\/contract/,
    ],
    ["the renderer needs Node", "renderer/app/a.ts", 'import fs from "node:fs";', /outside Node/],
    [
      "a feature reaches for the bridge",
      "renderer/chat/chatStore.ts",
      "const c = window.conclave;",
      /only renderer\/platform\/client/,
    ],
    [
      "the bridge by another spelling",
      "renderer/chat/chatStore.ts",
      'globalThis["conclave"].send();',
      /only renderer\/platform\/client/,
    ],
    ["base looks upwards", "native/base/error.cpp", '#include "engine/engine.h"', /native\/base must not import/],
    [
      "forward includes a backend",
      "native/forward/forward.cpp",
      '#include "ops/cpu/kernels.h"',
      /must not import native\/ops\/cpu/,
    ],
    ["forward names a backend", "native/forward/forward.cpp", "auto o = cuda_ops();", /names no backend/],
    ["kv knows a model", "native/kv/pages.h", '#include "model/spec.h"', /native\/kv must not import/],
    [
      "a backend reads files",
      "native/ops/cpu/a.cpp",
      '#include "formats/gguf.h"',
      /must not import native\/formats\/gguf/,
    ],
    ["one backend uses another", "native/ops/cuda/a.cu", '#include "ops/cpu/a.h"', /must not import native\/ops\/cpu/],
    [
      "the addon sees internals",
      "native/addon/a.cpp",
      '#include "forward/forward.h"',
      /must not import native\/forward/,
    ],
    [
      "the addon sees more of base",
      "native/addon/a.cpp",
      '#include "base/threads.h"',
      /must not import native\/base\/threads/,
    ],
  ];
  it.each(planted)("%s", (_reason, file, source, message) => {
    expect(messages(file, source)).toContainEqual(expect.stringMatching(message));
  });

  it("a Node header in the engine", () => {
    const found = judge("native/engine/a.cpp", "#include <napi.h>", () => false);
    expect(found.map(describeViolation)).toEqual(["native/engine/a.cpp:1: only native/addon may include napi.h"]);
  });
});

describe("allowed edges", () => {
  const allowed: [file: string, source: string][] = [
    ["electron/main/main.ts", 'import { app } from "electron"; import { a } from "../app/services.ts";'],
    ["electron/cli/chat.ts", 'import { a } from "../engine/engineClient.ts";'],
    ["electron/engine/host.ts", 'import n from "../../native/index.cjs"; import { t } from "./tokenizer.ts";'],
    ["electron/app/a.ts", 'import { a } from "../chat/chatService.ts"; import { b } from "../db/open.ts";'],
    ["electron/db/open.test.ts", 'import { a } from "../../test/fixtures/a.ts";'],
    ["renderer/app/Shell.tsx", 'import { a } from "../chat/Thread.tsx"; import { b } from "../ui/Button.tsx";'],
    ["renderer/platform/client.ts", "export const client = window.conclave;"],
    ["native/forward/forward.cpp", '#include "ops/ops.h"\n#include "weights/weights.h"\n#include <vector>'],
    ["native/ops/backends.cpp", '#include "ops/cpu/cpu_ops.h"'],
    ["native/ops/cpu/a.cpp", '#include "ops/tensor.h"\n#include "formats/block_types.h"'],
    ["native/addon/a.cpp", '#include <napi.h>\n#include "engine/engine.h"'],
    ["native/tools/main.cpp", '#include "forward/forward.h"'],
  ];
  it.each(allowed)("%s", (file, source) => {
    expect(messages(file, source)).toEqual([]);
  });
});

it("prose about an import is not an import, and lines keep their numbers", () => {
  const source = '// import "electron"\n/* #include\n*/ const url = "http://x";\nimport "better-sqlite3";';
  expect(withoutComments(source)).toContain('"http://x"');
  expect(judge("electron/web/a.ts", source, everything)).toEqual([
    { file: "electron/web/a.ts", line: 4, message: "only electron/db may import better-sqlite3" },
  ]);
});
