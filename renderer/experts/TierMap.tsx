// Layers x experts once more: each cell filled as high as its expert is near, whole on the card, half in memory, a line on disk.
// So it reads without colours and with cells of few pixels.
import { useEffect, useRef } from "react";
import { t } from "../i18n/texts.ts";
import { useTheme } from "../platform/theme.ts";
import { countTiers, tiers, type TierGrid } from "./tiers.ts";

const cellPixels = 12;
const widestCell = 24;
const wholeWidth = 600;

function draw(canvas: HTMLCanvasElement, { layers, experts, cells }: TierGrid): void {
  const context = canvas.getContext("2d");
  if (context === null || layers === 0 || experts === 0) return;
  const width = Math.min(widestCell, Math.max(2, Math.floor(wholeWidth / experts)));
  canvas.width = experts * width;
  canvas.height = layers * cellPixels;
  context.fillStyle = getComputedStyle(canvas).color;
  for (const [cell, tier] of cells.entries()) {
    const height = Math.round((tiers[tier]?.fill ?? 0) * (cellPixels - 2));
    const [x, y] = [(cell % experts) * width, Math.floor(cell / experts) * cellPixels];
    context.fillRect(x, y + cellPixels - 1 - height, width > 3 ? width - 1 : width, height);
  }
}

export function TierMap(grid: TierGrid) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useTheme();
  const { layers, experts, cells } = grid;
  // oxlint-disable-next-line react/exhaustive-deps
  useEffect(() => {
    if (canvas.current !== null) draw(canvas.current, { layers, experts, cells });
  }, [layers, experts, cells, theme]);
  const counts = countTiers(grid).map((n, tier) =>
    t("experts.tierCount", { tier: t(`experts.tier-${tiers[tier]?.name ?? "disk"}`), n }),
  );
  return (
    <canvas
      ref={canvas}
      role="img"
      aria-label={t("experts.tierMap", { layers, experts, counts: counts.join(", ") })}
      className="block w-full rounded-md border border-line bg-canvas text-accent"
      style={{ height: Math.min(320, layers * cellPixels) }}
    />
  );
}
