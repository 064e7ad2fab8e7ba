import type { RepoStat } from './types.ts'

export interface Space {
  usedBytes: number
  /** What is stored, and what could be with all that ZFS still lets in. */
  totalBytes: number
}

/**
 * Not the size of the devices, of which parity, the pool's own reserve and quotas take a part:
 * what can be stored, as ZFS tells it now.
 */
export function spaceOf({ allocatedBytes, datasets }: SpaceStat): Space {
  const available = Math.max(...datasets.map(({ availableBytes }) => availableBytes))
  return { usedBytes: allocatedBytes, totalBytes: allocatedBytes + available }
}

type SpaceStat = Pick<RepoStat, 'allocatedBytes' | 'datasets'>
