import type { Properties } from '../native.ts'

/** Where things are in a repo's pool. */
export interface DatasetNames {
  root: string
  catalog: string
  /** Empty: see reserve.ts. */
  reserve: string
  shards: string[]
}

export function datasetNames(root: string, shards: number): DatasetNames {
  return {
    root,
    catalog: `${root}/catalog`,
    reserve: `${root}/reserve`,
    shards: Array.from({ length: shards }, (_, i) => `${root}/shard-${String(i).padStart(4, '0')}`)
  }
}

/**
 * Set once on the repo's root dataset; all below inherits them.
 *
 * - checksum=sha256: the block pointer of a raw block in its own record then holds the digest of
 *   its CID, so that a scrub verifies CIDs, and repo verify compares metadata alone.
 * - compression=lz4: costs nothing on what does not compress (it gives up early), and without it
 *   the zeros after a block's end in its slot would take space.
 * - atime=off: reading must not write.
 * - xattr=sa: what a kernel adds to a file (labels) stays in the file's own dnode.
 * - recordsize=4K: ours each have their own; a larger one here would make files grow to it that
 *   the kernel engine made with smaller records and that hold only one so far.
 * - sync=disabled: the intent log would put changes on disk out of order, and only a kernel can
 *   replay it; what is acknowledged is on disk by its transaction group (docs/engines.md).
 * - redundant_metadata=most: the lowest level of indirect blocks has one copy less, which is the
 *   greater part of the metadata; losing one then costs the blocks under it, and verify lists them.
 */
export const ROOT_PROPERTIES: Properties = {
  checksum: 'sha256',
  compression: 'lz4',
  atime: 'off',
  xattr: 'sa',
  recordsize: '4K',
  sync: 'disabled',
  redundant_metadata: 'most'
}
