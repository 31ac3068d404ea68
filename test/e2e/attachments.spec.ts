// Files and long pastes into the prompt, over the real app: by button, by dropping, by pasting; what is wrong with a file;
// and that they outlive the app with their message.
import type { Page } from "@playwright/test";
import { composer, questions, sidebar, waitUntilDone, answers } from "./chat.ts";
import { expect, test } from "./conclaveApp.ts";
import { choose, picture, violations } from "./looks.ts";
import { tinyPdf } from "../fixtures/tinyPdf.ts";

interface TestFile {
  readonly name: string;
  readonly mimeType: string;
  readonly buffer: Buffer;
}
const file = (name: string, content: string | Buffer): TestFile => ({
  name,
  mimeType: "",
  buffer: Buffer.from(content),
});

async function attach(page: Page, ...files: TestFile[]): Promise<void> {
  const chooser = page.waitForEvent("filechooser");
  await page.getByRole("button", { name: "Attach files" }).click();
  await (await chooser).setFiles(files);
}
const unsent = (page: Page) => page.getByRole("list", { name: "Attached to the next message" }).getByRole("listitem");
const notice = (page: Page, words: string | RegExp) => page.getByRole("listitem").filter({ hasText: words });
const sendButton = (page: Page) => page.getByRole("button", { name: "Send", exact: true });

async function paste(page: Page, text: string): Promise<void> {
  await composer(page).evaluate((box, pasted) => {
    const data = new DataTransfer();
    data.setData("text/plain", pasted);
    box.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
  }, text);
}

async function drop(page: Page, name: string, content: string): Promise<void> {
  const data = await page.evaluateHandle(
    ([fileName = "", text = ""]) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([text], fileName));
      return transfer;
    },
    [name, content],
  );
  await page.dispatchEvent("main", "dragover", { dataTransfer: data });
  await expect(page.getByText("Drop files to attach them")).toBeVisible();
  await page.dispatchEvent("main", "drop", { dataTransfer: data });
}

test("a table, code and a PDF are counted, sent with the message, opened, and are there after a restart", async ({
  conclaveApp,
}) => {
  let { page } = conclaveApp;
  await attach(page, file("rivers.csv", "river,km\nRhine,1233\nDanube,2857\n"), file("sum.py", "print(1 + 1)\n"));
  await expect(unsent(page)).toContainText([
    /rivers\.csv.*2 rows × 2 columns · about 8 tokens/s,
    /sum\.py.*about 3 tokens/s,
  ]);
  await attach(page, file("report.pdf", tinyPdf(["The fox sleeps in the barn.", "", "The end."])));
  await expect(unsent(page).nth(2)).toContainText(/report\.pdf.*3 pages/s);
  await expect(unsent(page).nth(2)).toContainText("1 page holds no text");

  page = await conclaveApp.restart();
  await expect(unsent(page)).toHaveCount(3);
  await composer(page).fill("Where does the fox sleep?");
  await sendButton(page).click();
  await waitUntilDone(page, answers(page).first());
  await expect(unsent(page)).toHaveCount(0);
  const sent = questions(page).first().getByRole("list", { name: "Attachments" });
  await expect(sent.getByRole("listitem")).toHaveCount(3);

  await sent.getByRole("button", { name: /report\.pdf/ }).click();
  const viewer = page.getByRole("dialog", { name: "report.pdf" });
  await expect(viewer).toContainText("[Page 1]");
  await expect(viewer).toContainText("The fox sleeps in the barn.");
  expect(await violations(page)).toEqual([]);
  await page.keyboard.press("Escape");
  await sent.getByRole("button", { name: /rivers\.csv/ }).click();
  await expect(page.getByRole("dialog").getByRole("cell", { name: "Danube" })).toBeVisible();
  await page.keyboard.press("Escape");

  // With a model loaded the count is the model's own; editing keeps what was attached.
  await questions(page).first().getByRole("button", { name: "Edit message" }).click();
  await expect(unsent(page).first()).toContainText(/· \d+ tokens/);
  await unsent(page).getByRole("button", { name: "Remove sum.py" }).click();
  await composer(page).fill("And the wolf?");
  await sendButton(page).click();
  await expect(questions(page).first()).toContainText("2/2");
  await expect(sent.getByRole("listitem")).toHaveCount(2);

  page = await conclaveApp.restart();
  await sidebar(page).getByRole("button", { name: "Where does the fox sleep?", exact: true }).click();
  await expect(questions(page).first().getByRole("list", { name: "Attachments" }).getByRole("listitem")).toHaveCount(2);
});

test("a file that cannot be read says why, and a dropped one is attached", async ({ conclaveApp: { page } }) => {
  await attach(page, file("photo.png", Buffer.from([0x89, 0x50, 0, 1, 2])));
  await expect(
    notice(page, "“photo.png” is not text; Conclave reads text, Markdown, code, CSV and PDF."),
  ).toBeVisible();
  await attach(page, file("broken.pdf", "%PDF-1.7 and then nonsense"));
  await expect(notice(page, "“broken.pdf” is damaged")).toBeVisible();
  await attach(page, file("scan.pdf", tinyPdf(["", ""])));
  await expect(notice(page, "“scan.pdf” has 2 pages and no text in them")).toBeVisible();
  await attach(page, file("log\u202Etxt.txt", Buffer.from("Gr\u00f6\u00dfe", "latin1")));
  await expect(unsent(page)).toContainText(["logtxt.txt"]);
  await expect(unsent(page).first()).toContainText("read as Latin-1");
  await drop(page, "notes.md", "# Notes");
  await expect(unsent(page)).toContainText(["logtxt.txt", "notes.md"]);
  await unsent(page).getByRole("button", { name: "Remove notes.md" }).click();
  await expect(unsent(page)).toHaveCount(1);
  await page.getByRole("button", { name: "Undo" }).first().click();
  await expect(unsent(page)).toHaveCount(2);
});

test("a long paste is attached and can be had back as words; what is too long says by how much", async ({
  conclaveApp: { page },
}) => {
  const long = "The fox and the wolf went to the river. ".repeat(60);
  await composer(page).fill("Read this: ");
  await paste(page, long);
  await expect(unsent(page)).toContainText(["Pasted text 1"]);
  await expect(composer(page)).toHaveValue("Read this: ");
  await page.getByRole("button", { name: "Undo" }).first().click();
  await expect(unsent(page)).toHaveCount(0);
  await expect(composer(page)).toHaveValue(`Read this: ${long}`);

  await composer(page).fill("Who are you?");
  await sendButton(page).click();
  await waitUntilDone(page, answers(page).first());
  await paste(page, long.repeat(4));
  await expect(page.getByText(/[\d,]+ tokens over the room left: the context holds 1,024/)).toBeVisible();
  for (const theme of ["light", "dark"] as const) {
    await choose(page, theme);
    expect(await violations(page)).toEqual([]);
    await page.screenshot({ path: picture(`attachments-${theme}.png`) });
  }
});
