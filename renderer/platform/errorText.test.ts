import { afterEach, expect, it } from "vitest";
import { appErrorCodes } from "../../electron/contract/errors.ts";
import { setLanguage } from "../i18n/texts.ts";
import { errorText } from "./errorText.ts";

afterEach(() => setLanguage("en"));

it("leaves the services' sentence alone in English, and says first what it means elsewhere", async () => {
  const error = { code: "disk-full", message: "2.1 GB are needed and 1.0 GB is free." } as const;
  expect(errorText(error)).toBe(error.message);
  await setLanguage("fr");
  expect(errorText(error)).toBe(`Le disque est plein. ${error.message}`);
  for (const code of appErrorCodes) expect(errorText({ code, message: "." })).not.toContain("errors.");
});
