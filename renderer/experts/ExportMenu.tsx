// The way of a view's numbers into a file.
import { Download } from "lucide-react";
import { t } from "../i18n/texts.ts";
import { saveBlob } from "../platform/files.ts";
import { useTheme } from "../platform/theme.ts";
import { reportError } from "../platform/toasts.ts";
import { IconButton } from "../ui/IconButton.tsx";
import { Menu, MenuItem } from "../ui/Menu.tsx";
import type { ViewData } from "./viewData.ts";
import { asCsv, asJson, asPicture, type Picture } from "./viewFiles.ts";

/** Pixels per CSS pixel of a PNG, so that it is sharp in print; a wide one gets fewer, as browsers bound a canvas. */
const pngScale = 2;
const mostPixels = 16_000;

async function asPng({ svg, width, height }: Picture): Promise<Blob> {
  const url = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const scale = Math.min(pngScale, mostPixels / Math.max(width, height));
    const canvas = new OffscreenCanvas(Math.ceil(width * scale), Math.ceil(height * scale));
    canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await canvas.convertToBlob({ type: "image/png" });
  } finally {
    URL.revokeObjectURL(url);
  }
}

const formats = ["csv", "json", "png", "svg"] as const;
const mediaTypes = { csv: "text/csv;charset=utf-8", json: "application/json", svg: "image/svg+xml" } as const;

export function ExportMenu({ make }: { readonly make: () => ViewData | Promise<ViewData> }) {
  const theme = useTheme();
  const save = async (format: (typeof formats)[number]): Promise<void> => {
    const data = await make();
    const texts = { csv: asCsv, json: asJson, svg: (view: ViewData) => asPicture(view, theme).svg };
    const blob =
      format === "png"
        ? await asPng(asPicture(data, theme))
        : new Blob([texts[format](data)], { type: mediaTypes[format] });
    saveBlob(`${data.view}.${format}`, blob);
  };
  return (
    <Menu
      align="end"
      trigger={
        <IconButton label={t("experts.export")}>
          <Download size={15} aria-hidden />
        </IconButton>
      }
    >
      {formats.map((format) => (
        <MenuItem
          key={format}
          label={format.toUpperCase()}
          hint={format === "csv" || format === "json" ? t("experts.numbers") : t("experts.picture")}
          onSelect={() => void save(format).catch(reportError)}
        />
      ))}
    </Menu>
  );
}
