// The page can neither run foreign code, nor leave, nor open windows, nor reach anything but the app.
import { expect, test } from "./conclaveApp.ts";

test("the page comes with a strict policy, which holds", async ({ conclaveApp: { page } }) => {
  const policy = await page.evaluate(async () => (await fetch("/")).headers.get("content-security-policy"));
  for (const rule of [
    "default-src 'none'",
    "script-src 'self'",
    "frame-src 'none'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
  ]) {
    expect(policy).toContain(rule);
  }
  expect(policy).not.toContain("unsafe-eval");
  const ran = await page.evaluate(() => {
    const script = document.createElement("script");
    try {
      script.append("window.inlineRan = true");
      document.body.append(script);
    } catch {
      return "refused";
    }
    return "inlineRan" in window ? "ran" : "refused";
  });
  expect(ran).toBe("refused");
  // Later, because what DevTools itself evaluates may evaluate.
  const evaluated = await page.evaluate(
    () =>
      new Promise((resolve) => {
        setTimeout(() => {
          try {
            // oxlint-disable-next-line no-new-func, no-implied-eval
            resolve(new Function("return 1")());
          } catch (error) {
            resolve((error as Error).name);
          }
        });
      }),
  );
  expect(evaluated).toBe("EvalError");
});

test("nothing outside can be fetched, embedded or framed", async ({ conclaveApp: { page } }) => {
  const outcome = await page.evaluate(async () => {
    const fetched = await fetch("https://evil.example/").then(
      () => "fetched",
      (error: Error) => error.name,
    );
    const image = await new Promise((resolve) => {
      const element = new Image();
      element.addEventListener("load", () => resolve("loaded"));
      element.addEventListener("error", () => resolve("error"));
      element.src = "https://evil.example/pixel.png";
    });
    const violations: string[] = [];
    document.addEventListener("securitypolicyviolation", (event) => violations.push(event.effectiveDirective));
    const frame = document.createElement("iframe");
    frame.src = "https://evil.example/frame";
    document.body.append(frame);
    await new Promise((resolve) => setTimeout(resolve, 300));
    frame.remove();
    return { fetched, image, framed: violations.includes("frame-src") };
  });
  expect(outcome).toEqual({ fetched: "TypeError", image: "error", framed: true });
});

test("a page script sees no Node and no Electron", async ({ conclaveApp: { page } }) => {
  const found = await page.evaluate(() =>
    ["require", "process", "module", "Buffer", "ipcRenderer", "global"].filter((name) => name in window),
  );
  expect(found).toEqual([]);
});
