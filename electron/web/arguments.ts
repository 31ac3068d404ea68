// The command line of the web entry.
import { parseArgs } from "node:util";
import { AppError } from "../contract/errors.ts";

export interface WebArguments {
  /** 0: any free one. */
  readonly port: number;
  readonly data: string | undefined;
  /** Print the address as one JSON object instead of a sentence. */
  readonly printJson: boolean;
  readonly help: boolean;
}

export const usage = `Usage: web.js [--port N] [--data FOLDER] [--print-json]
  --port N       listen on this port of 127.0.0.1 (default: any free one)
  --data FOLDER  where conversations are kept (default: CONCLAVE_DATA, else the system's usual place)
  --print-json   print {"url", "port", "pid", "dataFolder"} on one line instead of a sentence`;

/** @throws AppError 'bad-argument'. */
export function readArguments(args: readonly string[]): WebArguments {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        port: { type: "string" },
        data: { type: "string" },
        "print-json": { type: "boolean", default: false },
        help: { type: "boolean", default: false, short: "h" },
      },
    });
    return { port: portOf(values.port), data: values.data, printJson: values["print-json"], help: values.help };
  } catch (error) {
    if (error instanceof TypeError) throw new AppError("bad-argument", `${error.message}\n${usage}`);
    throw error;
  }
}

function portOf(text: string | undefined): number {
  const port = text === undefined ? 0 : Number(text);
  if (text === "" || !Number.isInteger(port) || port < 0 || port > 65535) {
    throw new AppError("bad-argument", `--port takes a number from 0 to 65535, not "${text}".`);
  }
  return port;
}
