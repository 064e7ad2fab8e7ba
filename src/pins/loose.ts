/** What `loose` has of a block: since when, in seconds, and whether it was pinned before. */
export function looseValue(seconds: number, wasPinned: boolean): number {
  return seconds * 2 + (wasPinned ? 1 : 0)
}

export function readLoose(value: number): { seconds: number; wasPinned: boolean } {
  return { seconds: Math.floor(value / 2), wasPinned: value % 2 === 1 }
}

export function nowSeconds(): number {
  return Math.floor(Date.now() / 1000)
}
