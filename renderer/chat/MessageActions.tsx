// The row under a message: its versions and what can be done to it. Always in the tab order; faint until it is needed.
import { useState } from "react";
import {
  ChevronDown,
  ChevronLeft,
  ChevronRight,
  Copy,
  GitFork,
  MoreHorizontal,
  Pencil,
  RotateCcw,
  StepForward,
  Trash2,
} from "lucide-react";
import type { Message } from "../../electron/contract/chat.ts";
import type { Model } from "../../electron/contract/models.ts";
import { t } from "../i18n/texts.ts";
import { client } from "../platform/client.ts";
import { reportError } from "../platform/toasts.ts";
import { IconButton } from "../ui/IconButton.tsx";
import { Menu, MenuItem, MenuSeparator, SubMenu } from "../ui/Menu.tsx";
import { startContextAt } from "./actions/contextActions.ts";
import {
  continueAnswer,
  deleteMessage,
  forkHere,
  regenerateAnswer,
  runAgainExactly,
  showVersion,
  startEdit,
} from "./actions/messageActions.ts";
import { useChat } from "./chatStore.ts";
import { isCut } from "./runWords.ts";
import { siblingsOf, textOf } from "./thread.ts";

function Versions({ message }: { readonly message: Message }) {
  const messages = useChat((state) => state.messages);
  const versions = siblingsOf(messages, message);
  if (versions.length < 2) return null;
  const index = versions.findIndex((version) => version.id === message.id);
  const previous = versions[index - 1];
  const next = versions[index + 1];
  return (
    <span className="flex items-center text-xs text-muted">
      <IconButton
        label={t("chat.previousVersion")}
        disabled={previous === undefined}
        onClick={() => previous && void showVersion(previous)}
      >
        <ChevronLeft size={14} aria-hidden />
      </IconButton>
      <span className="tabular-nums">
        {index + 1}/{versions.length}
      </span>
      <IconButton
        label={t("chat.nextVersion")}
        disabled={next === undefined}
        onClick={() => next && void showVersion(next)}
      >
        <ChevronRight size={14} aria-hidden />
      </IconButton>
    </span>
  );
}

/** Ways to answer again that are worth a click of their own; anything else is set for the whole conversation. */
const otherSettings = [
  ["chat.likeliest", { temperature: 0 }],
  ["chat.morePredictable", { temperature: 0.4 }],
  ["chat.moreSurprising", { temperature: 1.2 }],
  ["chat.twiceAsLong", null],
] as const;

function RegenerateMenu({ message, busy }: { readonly message: Message; readonly busy: boolean }) {
  const [models, setModels] = useState<readonly Model[]>([]);
  const load = (open: boolean): void => {
    if (open) client.models.list({}).then(setModels, reportError);
  };
  const others = models.filter((model) => model.broken === null && model.id !== message.run?.modelId);
  return (
    <Menu
      onOpenChange={load}
      trigger={
        <IconButton label={t("chat.regenerateOtherwise")} disabled={busy} className="w-6!">
          <ChevronDown size={12} aria-hidden />
        </IconButton>
      }
    >
      <MenuItem label={t("chat.againSame")} onSelect={() => void regenerateAnswer(message.id)} />
      <MenuSeparator />
      {others.length > 0 && (
        <SubMenu label={t("chat.withOtherModel")}>
          {others.map(({ id, name, quantisation }) => (
            <MenuItem
              key={id}
              label={name}
              hint={quantisation}
              onSelect={() => void regenerateAnswer(message.id, { modelId: id })}
            />
          ))}
        </SubMenu>
      )}
      <SubMenu label={t("chat.withOtherSettings")}>
        {otherSettings.map(([key, sampler]) => (
          <MenuItem
            key={key}
            label={t(key)}
            onSelect={() =>
              void regenerateAnswer(message.id, {
                sampler: sampler ?? { maxTokens: Math.min(1_000_000, (message.run?.sampler.maxTokens ?? 1024) * 2) },
              })
            }
          />
        ))}
      </SubMenu>
    </Menu>
  );
}

function MoreMenu({ message, busy }: { readonly message: Message; readonly busy: boolean }) {
  return (
    <Menu
      align="end"
      trigger={
        <IconButton label={t("chat.moreForMessage")}>
          <MoreHorizontal size={14} aria-hidden />
        </IconButton>
      }
    >
      {message.run !== null && (
        <>
          <MenuItem label={t("chat.details")} onSelect={() => useChat.setState({ detailsId: message.id })} />
          <MenuItem label={t("chat.runAgainExactly")} disabled={busy} onSelect={() => void runAgainExactly(message)} />
          <MenuSeparator />
        </>
      )}
      <MenuItem label={t("chat.seeFromHere")} onSelect={() => void startContextAt(message.id)} />
    </Menu>
  );
}

interface MessageActionsProps {
  readonly message: Message;
  /** A run is under way in this thread: what would start another, or change the tree below it, is off. */
  readonly busy: boolean;
}

export function MessageActions({ message, busy }: MessageActionsProps) {
  const copy = (): void => {
    navigator.clipboard.writeText(textOf(message)).catch(reportError);
  };
  const isAnswer = message.role === "assistant";
  return (
    <div className="-mx-1.5 flex items-center gap-0.5 opacity-60 group-focus-within:opacity-100 group-hover:opacity-100">
      <Versions message={message} />
      <IconButton label={t("chat.copyMessage")} onClick={copy}>
        <Copy size={14} aria-hidden />
      </IconButton>
      <IconButton
        label={isAnswer ? t("chat.editAnswer") : t("chat.editMessage")}
        disabled={busy}
        onClick={() => startEdit(message)}
      >
        <Pencil size={14} aria-hidden />
      </IconButton>
      {isAnswer && message.parentId !== null && (
        <>
          <IconButton
            label={t("chat.regenerateAnswer")}
            disabled={busy}
            onClick={() => void regenerateAnswer(message.id)}
          >
            <RotateCcw size={14} aria-hidden />
          </IconButton>
          <RegenerateMenu message={message} busy={busy} />
          {(message.run === null || isCut(message.run)) && (
            <IconButton
              label={t("chat.continueAnswer")}
              disabled={busy}
              onClick={() => void continueAnswer(message.id)}
            >
              <StepForward size={14} aria-hidden />
            </IconButton>
          )}
        </>
      )}
      <IconButton label={t("chat.forkHere")} disabled={busy} onClick={() => void forkHere(message)}>
        <GitFork size={14} aria-hidden />
      </IconButton>
      <IconButton label={t("chat.deleteMessage")} disabled={busy} onClick={() => void deleteMessage(message)}>
        <Trash2 size={14} aria-hidden />
      </IconButton>
      <MoreMenu message={message} busy={busy} />
    </div>
  );
}
