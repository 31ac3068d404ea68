/**
 * `npm run test:mutations`: breaks the verifier on purpose, one way after the other, and shows which tests notice. A test that a
 * wrong verifier passes proves nothing; this is how one knows. Each change is made in the sources, built, tested and taken back,
 * also when something fails on the way. Ends with 1 when a mutant survives. Not part of `npm test`: it builds eight times.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildAll } from "../../build/buildAll.ts";
import { repositoryRoot } from "../../build/vite.destination.ts";
import { markdownTable } from "../bench/machine.ts";

interface Mutation {
  readonly what: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const verifier = "native/speculate/verifier.cpp";
const mutations: readonly Mutation[] = [
  {
    what: "a mismatch does not end the run of accepted tokens",
    file: verifier,
    from: "if (token != draft[row]) return static_cast<int>(row);",
    to: "if (!token) return static_cast<int>(row);",
  },
  {
    what: "the token behind a draft that stood is left out",
    file: verifier,
    from: "  next(static_cast<int>(draft.size()));\n  return",
    to: "  return",
  },
  {
    what: "a rejected token is drawn from p instead of what p has over q",
    file: verifier,
    from: "const double rest = mass - probability(q, token);",
    to: "const double rest = mass;",
  },
  {
    what: "the ratio test is allowed on drafts made in several steps",
    file: "native/speculate/verifier.h",
    from: "origin == DraftOrigin::kOneStep && has_q ?",
    to: "(origin == DraftOrigin::kOneStep || has_q) && has_q ?",
  },
  {
    what: "every row is judged by the logits of the row before it",
    file: "native/engine/scheduler.cpp",
    from: "request.sampler.sample(forward.logits(share.logit_row + row), request.tokens)",
    to: "request.sampler.sample(forward.logits(share.logit_row + std::max(0, row - 1)), request.tokens)",
  },
  {
    what: "drafted rows stand one position too early",
    file: "native/engine/scheduler.cpp",
    from: "batch_.add_row(draft[i], static_cast<int32_t>(position),",
    to: "batch_.add_row(draft[i], static_cast<int32_t>(position) - 1,",
  },
  {
    what: "a drafted token is emitted as it is, without asking the target",
    file: "native/engine/scheduler.cpp",
    from: "  if (request.n_generated() == 0) request.first_token = Clock::now();",
    to: "  if (row < share.n_draft) sampled.token = request.draft->draft[static_cast<size_t>(row)];\n  if (request.n_generated() == 0) request.first_token = Clock::now();",
  },
];
const tests = ["speculate_test", "draft_test"];
/** Many times what they take: a mutant may never end. */
const testMs = 180_000;

const path = (file: string): string => join(repositoryRoot, file);
const say = (line: string): void => void process.stderr.write(`${line}\n`);

function build(): void {
  for (const test of tests)
    execFileSync("cmake", ["--build", path("out/native"), "--target", test], {
      stdio: ["ignore", "ignore", "inherit"],
    });
}

/** The names of the tests that fail, or how the program ended. */
function failures(): string[] {
  return tests.flatMap((test) => {
    const { stdout, status, signal } = spawnSync(path(`out/native/${test}`), { encoding: "utf8", timeout: testMs });
    const named = [...stdout.matchAll(/^FAIL +(.+)$/gm)].map(([, name]) => `${test}: ${name}`);
    return named.length > 0 || status === 0 ? named : [`${test}: ended with ${signal ?? status}`];
  });
}

function tried(mutation: Mutation): string[] {
  const original = readFileSync(path(mutation.file), "utf8");
  if (original.split(mutation.from).length !== 2)
    throw new Error(`${mutation.file} does not hold exactly once: ${mutation.from}`);
  try {
    writeFileSync(
      path(mutation.file),
      original.replace(mutation.from, () => mutation.to),
    );
    build();
    return failures();
  } finally {
    writeFileSync(path(mutation.file), original);
  }
}

if (!existsSync(path("out/native/CMakeCache.txt"))) await buildAll(["native"]);
const rows: string[][] = [["change", "tests that notice"]];
let survivors = 0;
for (const mutation of mutations) {
  const noticed = tried(mutation);
  if (noticed.length === 0) survivors += 1;
  rows.push([`${mutation.what} (\`${mutation.file}\`)`, noticed.length === 0 ? "**none**" : noticed.join("; ")]);
  say(`${mutation.what}: ${noticed.length} tests fail`);
}
build();
const healthy = failures();
process.stdout.write(
  `${markdownTable(rows)}\n\nUnchanged: ${healthy.length === 0 ? "all pass" : healthy.join("; ")}.\n`,
);
process.exitCode = survivors === 0 && healthy.length === 0 ? 0 : 1;
