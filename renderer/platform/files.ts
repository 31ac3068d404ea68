// Files between the page and the person's disk, the same in a browser tab and in the desktop window.

export interface TextFile {
  readonly fileName: string;
  readonly mediaType: string;
  readonly text: string;
}

/** Hands a file to the browser's own download. */
export const saveFile = ({ fileName, mediaType, text }: TextFile): void =>
  saveBlob(fileName, new Blob([text], { type: `${mediaType};charset=utf-8` }));

export function saveBlob(fileName: string, blob: Blob): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = fileName;
  link.click();
  // The download has its own hold on the blob once it has begun.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Asks for files; none: cancelled. @param accept as in <input accept>. */
export function pickFiles(accept: string): Promise<File[]> {
  const input = document.createElement("input");
  input.type = "file";
  input.multiple = true;
  input.accept = accept;
  return new Promise((resolve) => {
    input.addEventListener("cancel", () => resolve([]));
    input.addEventListener("change", () => resolve([...(input.files ?? [])]));
    input.click();
  });
}

/** Asks for a file and reads it as UTF-8; null: cancelled. @param accept as in <input accept>. */
export function pickTextFile(accept: string): Promise<string | null> {
  const input = document.createElement("input");
  input.type = "file";
  input.accept = accept;
  return new Promise((resolve, reject) => {
    input.addEventListener("cancel", () => resolve(null));
    input.addEventListener("change", () => {
      const [file] = input.files ?? [];
      if (file === undefined) resolve(null);
      else file.text().then(resolve, reject);
    });
    input.click();
  });
}
