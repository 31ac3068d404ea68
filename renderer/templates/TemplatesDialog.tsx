// All templates: the list with how warm each is, and the one under the hand. Import, export, and the room that computed
// beginnings take on disk.
import { useEffect, useState } from "react";
import { Dialog } from "radix-ui";
import { Download, Plus, Upload, X } from "lucide-react";
import type { PrefixCache, Template } from "../../electron/contract/templates.ts";
import { t } from "../i18n/texts.ts";
import { client } from "../platform/client.ts";
import { reportError } from "../platform/toasts.ts";
import { formatBytes } from "../ui/format.ts";
import { IconButton } from "../ui/IconButton.tsx";
import { exportTemplates, importTemplates } from "./templateActions.ts";
import { TemplateEditor } from "./TemplateEditor.tsx";
import { newKey, useTemplates } from "./templatesStore.ts";
import { WarmBadge } from "./WarmBadge.tsx";

const close = (): void => useTemplates.setState({ dialogOpen: false });
const select = (selected: string): void => useTemplates.setState({ selected });

function CacheLine({ list }: { readonly list: readonly Template[] }) {
  const [cache, setCache] = useState<PrefixCache | null>(null);
  useEffect(() => {
    client.templates.getCache({}).then(setCache, reportError);
  }, [list]);
  if (cache === null) return null;
  return (
    <div className="border-t border-line px-3 py-2 text-xs text-muted">
      <p>{t("templates.diskUse", { used: formatBytes(cache.bytes), most: formatBytes(cache.capBytes) })}</p>
      {cache.files > 0 && (
        <button
          type="button"
          onClick={() => void client.templates.forget({ id: null }).catch(reportError)}
          className="rounded text-accent hover:underline"
        >
          {t("templates.forgetAll")}
        </button>
      )}
    </div>
  );
}

function TemplateRow({ template, selected }: { readonly template: Template; readonly selected: boolean }) {
  const edited = useTemplates((state) => state.edits[template.id] !== undefined);
  return (
    <li>
      <button
        type="button"
        aria-current={selected ? "true" : undefined}
        onClick={() => select(template.id)}
        className="flex w-full flex-col rounded-md px-2.5 py-1.5 text-left hover:bg-hover aria-[current]:bg-hover"
      >
        <span className="flex w-full items-center gap-2">
          <span className="min-w-0 flex-1 truncate font-medium">
            {edited ? t("templates.unsaved", { name: template.content.name }) : template.content.name}
          </span>
          <WarmBadge warmth={template.warmth} />
        </span>
        <span className="w-full truncate font-mono text-xs text-muted">/{template.content.slug}</span>
      </button>
    </li>
  );
}

function ListColumn({ list, selected }: { readonly list: readonly Template[]; readonly selected: string | null }) {
  const [filter, setFilter] = useState("");
  const wanted = filter.trim().toLowerCase();
  const shown = list.filter(({ content }) => `${content.name} ${content.slug}`.toLowerCase().includes(wanted));
  return (
    <div className="flex w-60 shrink-0 flex-col border-r border-line bg-surface">
      <div className="flex items-center gap-1 p-2">
        <input
          type="search"
          aria-label={t("templates.find")}
          placeholder={t("chat.find")}
          value={filter}
          onChange={(event) => setFilter(event.target.value)}
          className="h-8 min-w-0 flex-1 rounded-md border border-line bg-raised px-2.5 placeholder:text-muted"
        />
        <IconButton label={t("templates.new")} onClick={() => select(newKey)}>
          <Plus size={15} aria-hidden />
        </IconButton>
        <IconButton label={t("templates.import")} onClick={() => void importTemplates()}>
          <Upload size={15} aria-hidden />
        </IconButton>
        <IconButton label={t("templates.exportAll")} onClick={() => void exportTemplates(undefined, "templates.json")}>
          <Download size={15} aria-hidden />
        </IconButton>
      </div>
      <ul aria-label={t("templates.title")} className="min-h-0 flex-1 overflow-y-auto px-2 pb-2">
        {shown.map((template) => (
          <TemplateRow key={template.id} template={template} selected={template.id === selected} />
        ))}
        {shown.length === 0 && <li className="px-2 py-1 text-muted">{t("templates.noneNamed", { query: filter })}</li>}
      </ul>
      <CacheLine list={list} />
    </div>
  );
}

export function TemplatesDialog({ onUse }: { onUse(template: Template): void }) {
  const { list, dialogOpen, selected } = useTemplates();
  const template = list.find((each) => each.id === selected) ?? null;
  const sorted = list.toSorted((a, b) => a.content.name.localeCompare(b.content.name));
  return (
    <Dialog.Root
      open={dialogOpen}
      onOpenChange={(open) => {
        if (!open) close();
      }}
    >
      <Dialog.Portal>
        <Dialog.Overlay className="fixed inset-0 z-40 bg-black/40" />
        <Dialog.Content
          aria-describedby={undefined}
          className="fixed top-1/2 left-1/2 z-50 flex h-[min(760px,90vh)] w-[min(1160px,94vw)] -translate-x-1/2 -translate-y-1/2 flex-col overflow-hidden rounded-xl border border-line bg-raised shadow-2xl"
        >
          <header className="flex items-center justify-between border-b border-line px-4 py-2.5">
            <Dialog.Title className="text-base font-semibold">{t("templates.title")}</Dialog.Title>
            <Dialog.Close asChild>
              <IconButton label={t("ui.close")}>
                <X size={16} aria-hidden />
              </IconButton>
            </Dialog.Close>
          </header>
          <div className="flex min-h-0 flex-1">
            <ListColumn list={sorted} selected={selected} />
            {template === null && selected !== newKey ? (
              <p className="m-auto text-muted">{t("templates.chooseOne")}</p>
            ) : (
              <TemplateEditor
                key={selected}
                template={template}
                onUse={(used) => {
                  close();
                  onUse(used);
                }}
              />
            )}
          </div>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
