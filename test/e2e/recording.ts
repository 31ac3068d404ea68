// A film of the page without a program beside the browser: frames of Chromium's own screencast, played once in real time onto
// a canvas of an empty page, whose MediaRecorder writes WebM.
import { setTimeout as delay } from "node:timers/promises";
import type { Browser, Page } from "@playwright/test";

const tickMs = 70;

interface Frame {
  /** Seconds since the first frame. */
  readonly at: number;
  /** JPEG, base64. */
  readonly image: string;
}

export interface Film {
  readonly frames: readonly Frame[];
  readonly seconds: number;
}

/** Shows where the mouse is: a browser without a screen draws no pointer. */
export async function showPointer(page: Page): Promise<void> {
  await page.evaluate(() => {
    const dot = document.createElement("div");
    dot.setAttribute("aria-hidden", "true");
    Object.assign(dot.style, {
      position: "fixed",
      zIndex: "2147483647",
      width: "16px",
      height: "16px",
      margin: "-8px",
      borderRadius: "50%",
      border: "2px solid #5a45c9",
      background: "rgb(90 69 201 / 0.25)",
      pointerEvents: "none",
      left: "-20px",
    });
    document.body.append(dot);
    const follow = (event: MouseEvent): void => {
      dot.style.left = `${event.clientX}px`;
      dot.style.top = `${event.clientY}px`;
    };
    addEventListener("mousemove", follow, true);
  });
}

/** Films while `play` runs. */
export async function film(page: Page, play: () => Promise<void>): Promise<Film> {
  const session = await page.context().newCDPSession(page);
  const frames: { readonly time: number; readonly image: string }[] = [];
  session.on("Page.screencastFrame", ({ data, metadata, sessionId }) => {
    frames.push({ time: metadata.timestamp ?? Date.now() / 1000, image: data });
    session.send("Page.screencastFrameAck", { sessionId }).catch(() => undefined); // the film has ended meanwhile
  });
  const began = Date.now() / 1000;
  await session.send("Page.startScreencast", { format: "jpeg", quality: 90, everyNthFrame: 2 });
  await play();
  await session.send("Page.stopScreencast");
  return {
    frames: frames.map(({ time, image }) => ({ at: Math.max(0, time - began), image })),
    seconds: Date.now() / 1000 - began,
  };
}

/** @returns the film as WebM, of about this many bits a second at most. */
export async function toWebm(browser: Browser, { frames, seconds }: Film, bitsPerSecond: number): Promise<Buffer> {
  const page = await browser.newPage();
  const [width, height] = [1280, 800];
  const begun = await page.evaluateHandle(
    ({ bits, size }) => {
      const canvas = Object.assign(document.createElement("canvas"), size);
      const context = canvas.getContext("2d");
      const recorder = new MediaRecorder(canvas.captureStream(15), {
        mimeType: "video/webm;codecs=vp9",
        videoBitsPerSecond: bits,
      });
      const pieces: Blob[] = [];
      recorder.addEventListener("dataavailable", ({ data }) => pieces.push(data));
      let picture: ImageBitmap | null = null;
      const draw = async (image: string | null): Promise<void> => {
        if (image !== null) {
          picture = await createImageBitmap(await (await fetch(`data:image/jpeg;base64,${image}`)).blob());
        }
        if (picture !== null) context?.drawImage(picture, 0, 0, size.width, size.height);
      };
      const finish = async (): Promise<string> => {
        const stopped = new Promise((resolve) => recorder.addEventListener("stop", resolve, { once: true }));
        recorder.stop();
        await stopped;
        const bytes = new Uint8Array(await new Blob(pieces).arrayBuffer());
        let text = "";
        for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
        return btoa(text);
      };
      return { recorder, draw, finish };
    },
    { bits: bitsPerSecond, size: { width, height } },
  );
  await begun.evaluate(({ recorder, draw }, image) => draw(image).then(() => recorder.start()), frames[0]?.image ?? "");
  const began = Date.now() / 1000;
  let shown = 0;
  for (let now = 0; now < seconds; now = Date.now() / 1000 - began) {
    const next = frames.findLastIndex(({ at }) => at <= now);
    // A still picture is drawn again too: with each frame the encoder mends what it left blurred in the last.
    await begun.evaluate(({ draw }, picture) => draw(picture), next === shown ? null : (frames[next]?.image ?? null));
    shown = next;
    await delay(tickMs);
  }
  const webm = Buffer.from(await begun.evaluate(({ finish }) => finish()), "base64");
  await page.close();
  return webm;
}
