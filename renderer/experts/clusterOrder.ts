// An order of experts in which those that work together stand together. Pure.

/**
 * Greedy chain: starts with the pair most often together, then always appends the expert closest to either end.
 * `matrix` is [n * n] co-activation; the order lists every expert once.
 */
export function clusterOrder(matrix: Float64Array, n: number): number[] {
  const affinity = (a: number, b: number): number => (matrix[a * n + b] ?? 0) + (matrix[b * n + a] ?? 0);
  const left = new Set(Array.from({ length: n }, (_, expert) => expert));
  const closestTo = (expert: number): number =>
    [...left].reduce((best, candidate) => (affinity(expert, candidate) > affinity(expert, best) ? candidate : best));
  const start = Array.from({ length: n }, (_, expert) => expert).reduce((best, candidate) => {
    const strongest = (expert: number): number =>
      Math.max(0, ...Array.from({ length: n }, (_, other) => (other === expert ? 0 : affinity(expert, other))));
    return strongest(candidate) > strongest(best) ? candidate : best;
  }, 0);
  const chain = n === 0 ? [] : [start];
  left.delete(start);
  while (left.size > 0) {
    const [first, last] = [chain[0] ?? start, chain.at(-1) ?? start];
    const [atFirst, atLast] = [closestTo(first), closestTo(last)];
    const next = affinity(first, atFirst) > affinity(last, atLast) ? atFirst : atLast;
    if (next === atFirst && affinity(first, atFirst) > affinity(last, atLast)) chain.unshift(next);
    else chain.push(next);
    left.delete(next);
  }
  return chain;
}
