import type { Catalog, Durability, Native, Pool, Store } from '../native.ts'
import type { RecordsClient } from './records-client.ts'

/** What the stores of one repo stand on. A rollback replaces it (see Gate). */
export interface Backend {
  pool: Pool
  store: Store
  records: RecordsClient
  /** The catalog's digests and numbers: pins. */
  digests: Catalog
  /** Runs a delete that found no room with room that is kept for it. */
  reserve: { lend: <T>(work: () => Promise<T>) => Promise<T> }
}

/** What does not change while a repo is open. */
export interface StoreContext {
  native: Pick<Native, 'syncPool'>
  durability: Durability
  /** Runs `store`, which stores these blocks. Default: at once. */
  around?: StoreAround
}

/** What goes with storing blocks, before or after `store` does. */
export type StoreAround = (multihashes: Uint8Array[], store: () => Promise<void>) => Promise<void>
