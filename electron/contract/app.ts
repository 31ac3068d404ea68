// The app service on the wire: what this build is, and the one door out to the system's browser.
import { z } from "zod";
import { wireErrorSchema } from "./errors.ts";
import { call, event, service } from "./service.ts";

export const noticeSchema = z.object({
  id: z.string(),
  level: z.enum(["info", "warning", "error"]),
  message: z.string(),
  details: z.string().optional(),
});
export type Notice = z.infer<typeof noticeSchema>;

export const app = service({
  calls: {
    getInfo: call(
      z.object({}),
      z.object({
        version: z.string(),
        entry: z.enum(["desktop", "web"]),
        platform: z.string(),
        dataFolder: z.string(),
        notices: z.array(noticeSchema),
      }),
    ),
    /** http, https or mailto only. Desktop: asks with the full host, then opens. Web: returns false, the page opens it itself after its own dialog. */
    openExternal: call(z.object({ url: z.string().max(8192) }), z.boolean()),
  },
  events: {
    /** Something the user must know that no call of theirs asked for (database set aside, disk full). */
    notice: event(noticeSchema),
    fatal: event(wireErrorSchema),
  },
});
