import type { Kind } from './node.ts'

/** What `held` has of a node: the walk that expanded it, and its kind, so that its key can be read. */
export function heldValue(walk: number, kind: Kind): number {
  return (walk + 1) * 4 + kind
}

/** The walk of a node that is to be released: nobody's. */
export const nobody = 0

export function readHeld(value: number): { walk: number; kind: Kind } {
  return { walk: Math.floor(value / 4) - 1, kind: (value & 3) as Kind }
}
