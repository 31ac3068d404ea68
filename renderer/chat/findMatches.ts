// Where a word stands in what is shown. Matches are ranges over the page's own text, so nothing of an answer is drawn
// again to mark them.

const mostMatches = 2000;

/** Matches inside single text nodes below `root`, in order, without regard to case; at most 2,000. */
export function findMatches(root: Element, query: string): Range[] {
  const wanted = query.toLocaleLowerCase();
  const ranges: Range[] = [];
  if (wanted === "") return ranges;
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const text = (node.nodeValue ?? "").toLocaleLowerCase();
    // Lower case of another length would point at the wrong letters.
    if (text.length !== (node.nodeValue ?? "").length) continue;
    for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
      const range = document.createRange();
      range.setStart(node, at);
      range.setEnd(node, at + wanted.length);
      ranges.push(range);
      if (ranges.length === mostMatches) return ranges;
    }
  }
  return ranges;
}
