// The numbers behind every view, for files: a head that names model, layer, formula and tokens, then plain rows. Field names are
// English in every language, so that a script reads them anywhere. Pure.
import { clusterOrder } from "./clusterOrder.ts";
import type { Counted } from "./counted.ts";
import type { ExpertTrace } from "./expertTrace.ts";
import {
  coactivation,
  expertsForShare,
  layerOf,
  maxOverUniform,
  normalisedEntropy,
  repeatChance,
  repeats,
  specialisation,
} from "./statistics.ts";
import { tiers } from "./tiers.ts";
import { wordsOf, type TracedText } from "./words.ts";

export type Cell = string | number;

/** A picture of the rows: values 0..1 on the ramp, or hues of experts. */
export interface Grid {
  readonly rows: number;
  readonly columns: number;
  /** [rows * columns] */
  readonly values: ArrayLike<number>;
  readonly kind: "ramp" | "experts";
  readonly rowName: string;
  readonly columnName: string;
}

export interface ViewData {
  /** Also the file's name. */
  readonly view: string;
  readonly facts: Readonly<Record<string, Cell>>;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  readonly grid: Grid | null;
}

export interface Source {
  readonly model: string;
  readonly trace: ExpertTrace;
  readonly text: string;
}

const shapeFacts = ({ model, trace }: Source): Record<string, Cell> => ({
  model,
  moe_layers: trace.moeLayers,
  experts: trace.expertCount,
  experts_per_token: trace.expertsUsed,
});

export function nowData(source: Source, counted: Counted, window: string): ViewData {
  const { moeLayers, expertCount } = source.trace;
  const uniform = counted.choices / Math.max(1, counted.tokens) / expertCount;
  const share = counted.counts.map((count) => count / Math.max(1, counted.tokens));
  return {
    view: "experts-now",
    facts: {
      ...shapeFacts(source),
      layer: "all",
      window,
      tokens: counted.tokens,
      formula: "share = tokens of the layer that chose the expert / tokens; times_uniform = share / (k / E)",
    },
    columns: ["layer", "expert", "count", "share", "times_uniform"],
    rows: Array.from(share, (own, cell) => [
      Math.floor(cell / expertCount),
      cell % expertCount,
      counted.counts[cell] ?? 0,
      own,
      own / uniform,
    ]),
    grid: {
      rows: moeLayers,
      columns: expertCount,
      values: share.map((own) => Math.min(1, own / (4 * uniform))),
      kind: "ramp",
      rowName: "layer",
      columnName: "expert",
    },
  };
}

export function tokensData(source: Source): ViewData {
  const { trace, text } = source;
  const rows: Cell[][] = [];
  for (let token = 0; token < trace.tokens; token++) {
    const word = text.slice(trace.textEndAt(token - 1), trace.textEndAt(token));
    for (let layer = 0; layer < trace.moeLayers; layer++) {
      for (let rank = 0; rank < trace.expertsUsed; rank++) {
        rows.push([token, word, layer, rank, trace.expertAt(token, layer, rank), trace.weightAt(token, layer, rank)]);
      }
    }
  }
  const firsts = Array.from({ length: trace.moeLayers * trace.tokens }, (_, cell) =>
    trace.expertAt(cell % trace.tokens, Math.floor(cell / trace.tokens), 0),
  );
  return {
    view: "experts-tokens",
    facts: {
      ...shapeFacts(source),
      layer: "all",
      tokens: trace.tokens,
      formula: "rank 0 is the first choice; weight as applied by the router, in steps of 1/255",
    },
    columns: ["token", "text", "layer", "rank", "expert", "weight"],
    rows,
    grid: {
      rows: trace.moeLayers,
      columns: trace.tokens,
      values: firsts,
      kind: "experts",
      rowName: "layer",
      columnName: "token",
    },
  };
}

/** @param cells [layers * experts] index into `tiers`; empty: not known. */
export function placesData(source: Source, cells: Uint8Array): ViewData {
  const { moeLayers, expertCount, tokens } = source.trace;
  return {
    view: "experts-places",
    facts: {
      ...shapeFacts(source),
      layer: "all",
      tokens,
      formula: "where the weights are now: vram on the card, ram in memory, disk less than half of them in memory",
    },
    columns: ["layer", "expert", "place"],
    rows: Array.from(cells, (tier, cell) => [
      Math.floor(cell / expertCount),
      cell % expertCount,
      tiers[tier]?.name ?? "",
    ]),
    grid: {
      rows: moeLayers,
      columns: expertCount,
      values: Array.from(cells, (tier) => tiers[tier]?.fill ?? 0),
      kind: "ramp",
      rowName: "layer",
      columnName: "expert",
    },
  };
}

export function loadData(source: Source): ViewData {
  const { counts, moeLayers, expertCount, expertsUsed, tokens } = source.trace;
  return {
    view: "experts-load",
    facts: {
      ...shapeFacts(source),
      layer: "all",
      tokens,
      formula: "entropy = -sum p log p / log E; uniform: entropy 1, busiest_share k / E",
    },
    columns: ["layer", "entropy", "busiest_expert", "busiest_share", "times_uniform", "experts_for_90_percent"],
    rows: Array.from({ length: moeLayers }, (_, layer) => {
      const row = layerOf(counts, layer, expertCount);
      const busiest = row.indexOf(Math.max(...row));
      return [
        layer,
        normalisedEntropy(row),
        busiest,
        specialisation(row, expertsUsed)[busiest] ?? 0,
        maxOverUniform(row),
        expertsForShare(row, 0.9),
      ];
    }),
    grid: null,
  };
}

export function repeatsData(source: Source): ViewData {
  const { trace } = source;
  const chance = repeatChance(trace.expertCount, trace.expertsUsed);
  return {
    view: "experts-repeats",
    facts: {
      ...shapeFacts(source),
      layer: "all",
      tokens: trace.tokens,
      formula: "share of consecutive tokens; chance first = 1 / E, any = 1 - C(E-k, k) / C(E, k)",
      chance_first: chance.first,
      chance_any: chance.any,
    },
    columns: ["layer", "first", "any"],
    rows: Array.from({ length: trace.moeLayers }, (_, layer) => {
      const { first, any } = repeats(trace, layer);
      return [layer, first, any];
    }),
    grid: null,
  };
}

export function togetherData(source: Source, layer: number): ViewData {
  const { trace } = source;
  const n = trace.expertCount;
  const matrix = coactivation(trace, layer);
  const chance = (trace.expertsUsed - 1) / Math.max(1, n - 1);
  const order = clusterOrder(matrix, n);
  const at = (one: number, other: number): number => matrix[one * n + other] ?? 0;
  return {
    view: "experts-together",
    facts: {
      ...shapeFacts(source),
      layer,
      tokens: trace.tokens,
      formula: "share = N(i, j) / N(i) over all pairs in the top k; chance (k - 1) / (E - 1)",
      chance,
    },
    columns: ["expert", "other", "share"],
    rows: order.flatMap((one) => order.filter((other) => other !== one).map((other) => [one, other, at(one, other)])),
    grid: {
      rows: n,
      columns: n,
      values: order.flatMap((one) =>
        order.map((other) => (chance === 0 ? 0 : Math.min(1, at(one, other) / (4 * chance)))),
      ),
      kind: "ramp",
      rowName: "expert",
      columnName: "expert",
    },
  };
}

export function wordsData(source: Source, texts: readonly TracedText[], layer: number, expert: number): ViewData {
  const atLeast = 10;
  return {
    view: "experts-words",
    facts: {
      ...shapeFacts(source),
      layer,
      expert,
      tokens: texts.reduce((sum, { trace }) => sum + trace.tokens, 0),
      formula: `share = N(word, expert) / N(word), words written at least ${atLeast} times; chance k / E`,
      chance: source.trace.expertsUsed / source.trace.expertCount,
    },
    columns: ["word", "written", "share"],
    rows: wordsOf(texts, layer, expert, atLeast).map(({ word, seen, share }) => [word, seen, share]),
    grid: null,
  };
}

export interface TopicPair {
  readonly one: string;
  readonly other: string;
  readonly tokensOne: number;
  readonly tokensOther: number;
  readonly distances: readonly number[];
  readonly chance: number;
}

export function topicsData(source: Source, by: string, pair: TopicPair): ViewData {
  return {
    view: "experts-topics",
    facts: {
      ...shapeFacts(source),
      layer: "all",
      by,
      one: pair.one,
      other: pair.other,
      tokens: pair.tokensOne,
      tokens_other: pair.tokensOther,
      formula: "distance = sqrt(H((P + Q) / 2) - (H(P) + H(Q)) / 2) in bits (Jensen-Shannon)",
      by_chance: pair.chance,
    },
    columns: ["layer", "distance", "times_chance"],
    rows: pair.distances.map((distance, layer) => [layer, distance, pair.chance === 0 ? 0 : distance / pair.chance]),
    grid: null,
  };
}
