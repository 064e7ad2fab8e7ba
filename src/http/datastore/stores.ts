import type { AbortOptions } from 'abort-error'
import type { Blockstore } from 'interface-blockstore'
import type { Datastore } from 'interface-datastore'
import type { CID } from 'multiformats/cid'

/** Bytes on disk, known without counting anything. */
export interface Usage {
  blockBytes: number
  recordBytes: number
  /** What the pool can hold in all. */
  maxBytes: number
}

/** A snapshot that keeps what was deleted after it. */
export interface HoldingSnapshot {
  name: string
  created: Date
  /** What destroying this snapshot alone gives back. */
  usedBytes: number
}

/** What was deleted and comes back later. */
export interface Collected {
  /** Deleted, but still in a snapshot. */
  heldBytes: number
  snapshots: HoldingSnapshot[]
}

export type Blocks = Pick<
  Blockstore,
  'put' | 'get' | 'delete' | 'putMany' | 'deleteMany' | 'getAll'
> & {
  /** Length in bytes; undefined where there is none. */
  size(cid: CID, options?: AbortOptions): Promise<number | undefined>
}

/**
 * What the remote datastore stands on: a repo whose puts are acknowledged at once and are on disk
 * after `flush`. Kept this narrow so that tests can put memory stores, and failing ones, under it.
 */
export interface Stores {
  readonly blocks: Blocks
  readonly records: Datastore
  /** Returns once all that was acknowledged before the call is on disk. */
  flush(): Promise<void>
  usage(): Promise<Usage>
  /** Begins to give back what deleted blocks occupy in packs; tells what snapshots hold. */
  collect(): Promise<Collected>
}
