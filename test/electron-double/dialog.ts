/**
 * Dialogs answer with what the test prepared (`answerNext`); without that they are cancelled, because nobody is there.
 * Each is recorded with its options.
 */
import { record, takeAnswer } from "./record.ts";
import { strict } from "./strict.ts";

export type MessageBoxAnswer = Partial<Electron.MessageBoxReturnValue> & { choose?: "confirm" | "cancel" };

/** Electron's dialogs take an optional window first; the options are last. */
function ask<Options, Answer>(
  method: string,
  args: readonly unknown[],
  cancelled: (options: Options) => Answer,
): Answer {
  const options = args.at(-1) as Options;
  record("dialog", method, [options]);
  return { ...cancelled(options), ...(takeAnswer(method) as Partial<Answer> | undefined) };
}

/** As Electron: cancelId, else the button called cancel or no, else the first. */
function cancelIndex({ buttons = [], cancelId }: Electron.MessageBoxOptions): number {
  return (
    cancelId ??
    Math.max(
      buttons.findIndex((label) => /^(cancel|no)$/i.test(label)),
      0,
    )
  );
}

/** An answer may name the outcome (`{ choose: "confirm" }`: the first button that does not cancel) or the button's index. */
function answerBox(args: readonly unknown[]): Electron.MessageBoxReturnValue {
  const options = args.at(-1) as Electron.MessageBoxOptions;
  record("dialog", "showMessageBox", [options]);
  const prepared = takeAnswer("showMessageBox") as MessageBoxAnswer | undefined;
  const cancel = cancelIndex(options);
  const response = prepared?.response ?? (prepared?.choose === "confirm" ? (cancel === 0 ? 1 : 0) : cancel);
  return { response, checkboxChecked: prepared?.checkboxChecked ?? false };
}

export const dialog = strict("dialog", {
  showMessageBox: async (...args: unknown[]) => answerBox(args),
  showMessageBoxSync: (...args: unknown[]) => answerBox(args).response,
  showOpenDialog: async (...args: unknown[]) =>
    ask<Electron.OpenDialogOptions, Electron.OpenDialogReturnValue>("showOpenDialog", args, () => ({
      canceled: true,
      filePaths: [],
    })),
  showSaveDialog: async (...args: unknown[]) =>
    ask<Electron.SaveDialogOptions, Electron.SaveDialogReturnValue>("showSaveDialog", args, () => ({
      canceled: true,
      filePath: "",
    })),
  showErrorBox: (title: string, content: string) => {
    record("dialog", "showErrorBox", [title, content]);
    console.error(`${title}: ${content}`);
  },
} satisfies Partial<Electron.Dialog>);
