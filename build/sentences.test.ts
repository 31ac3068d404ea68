// No sentence in the renderer's code: every one goes through t() (renderer/README.md, Texts).
import { globSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { sentencesIn } from "./sentences.ts";

it("finds what is shown, and leaves names, classes, comparisons and translated texts alone", () => {
  const source = `
    const action = { id: "chat.stop", label: "Stop now" };
    offerUndo(\`Folder \${name} deleted\`, undo);
    export const View = () => (
      <p title="A title" className="flex gap-2" aria-label={open ? "Close it" : t("chat.open")}>
        Hello {kind === "plain" ? "there" : null} {t("chat.words")} L{layer} <FactTable head={["Layer"]} />
        <b>Top-k</b>
      </p>
    );`;
  expect(sentencesIn("view.tsx", source).toSorted()).toEqual(
    ["Stop now", "Folder", "deleted", "A title", "Close it", "Hello", "there", "Layer"].toSorted(),
  );
});

it("finds none in what the user sees", () => {
  const found = globSync("renderer/**/*.{ts,tsx}")
    .filter((path) => !/\.test\.|\/test[A-Z]/.test(path))
    .flatMap((path) => sentencesIn(path, readFileSync(path, "utf8")).map((sentence) => `${path}: ${sentence}`));
  expect(found).toEqual([]);
});
