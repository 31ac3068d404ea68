// Types of ensure.mjs, which cannot be TypeScript because it runs before anything is installed.
interface LockedPackage {
  readonly version?: string;
  readonly integrity?: string;
  readonly optional?: boolean;
  readonly devOptional?: boolean;
}
export const oldestNode: readonly [major: number, minor: number];
export function nodeComplaint(version: string): string | null;
export function staleReason(
  wanted: Readonly<Record<string, LockedPackage>>,
  installed: Readonly<Record<string, LockedPackage>>,
): string | null;
export function pinnedNode(root: string): string;
