// Pure functions on the tree of a conversation. Messages come oldest first, and a parent stands before its children.

export interface TreeMessage {
  readonly id: string;
  readonly parentId: string | null;
}

/** @returns root first, `leafId` last; empty when it names nothing. A cycle (damaged data) ends the walk. */
export function branchTo<M extends TreeMessage>(messages: readonly M[], leafId: string | null): M[] {
  const byId = new Map(messages.map((message) => [message.id, message]));
  const branch: M[] = [];
  const seen = new Set<string>();
  for (let id = leafId; id !== null && !seen.has(id);) {
    const message = byId.get(id);
    if (message === undefined) break;
    seen.add(id);
    branch.push(message);
    id = message.parentId;
  }
  return branch.toReversed();
}

/** From a message down to a leaf, each time to the newest child. */
export function newestLeafUnder(messages: readonly TreeMessage[], id: string): string {
  const newestChild = new Map<string, string>();
  for (const message of messages) {
    if (message.parentId !== null) newestChild.set(message.parentId, message.id);
  }
  const seen = new Set([id]);
  let leaf = id;
  for (let child = newestChild.get(leaf); child !== undefined && !seen.has(child); child = newestChild.get(leaf)) {
    seen.add(child);
    leaf = child;
  }
  return leaf;
}
