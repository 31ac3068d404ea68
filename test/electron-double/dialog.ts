/**
 * Dialogs answer with what the test prepared (`answerNext`); without that they are cancelled, because nobody is there.
 * Each is recorded with its options.
 */
import { record, takeAnswer } from "./record.ts";
import { strict } from "./strict.ts";

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
function cancelledBox({ buttons = [], cancelId }: Electron.MessageBoxOptions): Electron.MessageBoxReturnValue {
  const named = buttons.findIndex((label) => /^(cancel|no)$/i.test(label));
  return { response: cancelId ?? Math.max(named, 0), checkboxChecked: false };
}

export const dialog = strict("dialog", {
  showMessageBox: async (...args: unknown[]) => ask("showMessageBox", args, cancelledBox),
  showMessageBoxSync: (...args: unknown[]) => ask("showMessageBox", args, cancelledBox).response,
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
