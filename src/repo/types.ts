import type { AbortOptions } from 'abort-error'
import type { CID } from 'multiformats/cid'
import type {
  DatasetStatus,
  Durability,
  Engine,
  IndexStats,
  Layout,
  PoolStatus,
  Properties,
  ScrubStatus,
  StoreStats
} from '../native.ts'
import type { PinBlocks } from '../pins/blocks.ts'
import type { PinCatalog } from '../pins/catalog.ts'
import type { StoreAround } from '../stores/backend.ts'
import type { ZfsBlockstore } from '../stores/blockstore.ts'
import type { ZfsDatastore } from '../stores/datastore.ts'

export interface PoolInit {
  /** Files or block devices. Default: `pool.img` in the repo's folder. */
  vdevs?: string[]
  /** Default: `stripe`. */
  layout?: Layout
  /** Of each file made, in bytes; sparse, at least 64 MiB. Default: 100 GiB. */
  sizeBytes?: number
  /** Default: `ipfs-` and 12 random hex digits, so that two repos can be on one machine. */
  name?: string
  /** Log 2 of the smallest write. Default: 12. */
  ashift?: number
}

export interface RepoInit {
  /** The repo's folder: configuration, lock, and the pool file if it has one. */
  path: string
  /** Make the repo when there is none. Default: false. */
  create?: boolean
  /** Only with `create`. */
  pool?: PoolInit
  /** Only with `create`: how many datasets hold blocks. Default: 4. */
  shards?: number
  /** When a put is acknowledged. Default: `txg`. */
  durability?: Durability
  /**
   * Whose ZFS: `embedded`, `kernel`, or `auto` (the kernel when it has imported the pool). Default:
   * IPFS_ZFS_ENGINE, else what the repo was made with or last imported by, else `embedded`.
   */
  engine?: Engine
  /** Upper bound of ZFS's cache. Default: a quarter of memory, at most 2 GiB. */
  arcMaxBytes?: number
  /**
   * For the index of blocks, in bytes: tables (44 MiB a shard), filters (1.2 bytes a block; without
   * its filter a part of the index costs a page read for each block that is not there), and pages
   * with what is left. Default: the filters whatever they take, and 16 MiB of pages a shard.
   */
  indexMemoryBytes?: number
}

export interface RepoStat extends StoreStats {
  path: string
  /** Bytes allocated in the pool for everything. */
  allocatedBytes: number
  /** What the pool can hold in all, in bytes. */
  maxBytes: number
  records: number
  pool: PoolStatus
  datasets: DatasetStatus[]
}

export interface VerifyProgress {
  phase: 'scrub' | 'blocks' | 'index'
  /** Bytes for `scrub`, blocks for `blocks`. */
  done: number
  total: number
}

export interface VerifyOptions extends AbortOptions {
  /** Read every record that the pool has allocated first. Default: true. */
  scrub?: boolean
  onProgress?: (progress: VerifyProgress) => void
}

export interface VerifyReport {
  blocks: number
  /** Proved by the checksum in the block pointer. */
  byPointer: number
  /** Read and hashed. */
  byHash: number
  /** Read, but their hash function is unknown here. */
  unhashed: number
  /** Codec raw: a block store knows multihashes, not codecs. */
  bad: Array<{ cid: CID; code: string; why: string }>
  /** Faults between index, free lists and packs. */
  faults: string[]
  ok: boolean
}

export interface RepoSnapshot {
  name: string
  created: Date
  usedBytes: number
  referencedBytes: number
}

/** Snapshots of the whole repo: every shard and the catalog, in one transaction group. */
export interface RepoSnapshots {
  /** Default name: the time, `2026-11-24T22-31-05Z`. */
  create(name?: string, options?: AbortOptions): Promise<RepoSnapshot>
  list(options?: AbortOptions): Promise<RepoSnapshot[]>
  /** Newer snapshots must be destroyed first. Open cursors fail; the stores stay usable. */
  rollback(name: string, options?: AbortOptions): Promise<void>
  destroy(name: string, options?: AbortOptions): Promise<void>
}

/** The index of one family of one shard. */
export interface ShardIndexStats extends IndexStats {
  family: 'blocks'
  shard: number
}

export interface IndexRecord {
  /** Hex. */
  key: string
  place: string
}

/** The digest indexes, for those who run the repo. */
export interface RepoIndex {
  stat(options?: AbortOptions): Promise<ShardIndexStats[]>
  /**
   * Proves order, counts, checksums and filters of every run, and that each place in use belongs
   * to one key; gives the faults. Writers wait meanwhile.
   */
  check(options?: AbortOptions): Promise<string[]>
  /** Every record, ascending by key. */
  dump(options?: AbortOptions): AsyncGenerator<IndexRecord>
  /** Makes one run of each index: the fewest bytes, and the cheapest lookups. */
  compact(options?: AbortOptions): Promise<void>
}

/** The repo's side of zfs(8) and zpool(8). Dataset names are full ones; default: the root's. */
export interface RepoZfs {
  /** The dataset that holds all others of the repo. */
  readonly root: string
  status(options?: AbortOptions): Promise<PoolStatus>
  /** By name, the root first. */
  list(options?: AbortOptions): Promise<DatasetStatus[]>
  /** NotFoundError: the dataset is none of this repo's. */
  getProperties(dataset?: string, options?: AbortOptions): Promise<Properties>
  /** All of them or none. InvalidParametersError: a name or value that ZFS or the repo refuses. */
  setProperties(properties: Properties, dataset?: string, options?: AbortOptions): Promise<void>
  /** BusyError: one is under way. */
  startScrub(options?: AbortOptions): Promise<void>
  stopScrub(options?: AbortOptions): Promise<void>
  scrubStatus(options?: AbortOptions): Promise<ScrubStatus>
}

export interface Repo {
  readonly path: string
  readonly blockstore: ZfsBlockstore
  readonly datastore: ZfsDatastore
  readonly snapshots: RepoSnapshots
  readonly zfs: RepoZfs
  /** What pins stand on (src/pins). */
  readonly catalog: PinCatalog
  readonly pinBlocks: PinBlocks
  readonly index: RepoIndex
  /** The same blocks and records, whose changes are acknowledged as `durability` says. */
  withDurability(durability: Durability): Pick<Repo, 'blockstore' | 'datastore'>
  /** The same blocks; whatever is put through it is stored by `around`, a batch at a time. */
  blocksWithin(around: StoreAround): ZfsBlockstore
  stat(options?: AbortOptions): Promise<RepoStat>
  verify(options?: VerifyOptions): Promise<VerifyReport>
  /** Gives back the space of mostly dead packs, in bytes returned, and of deleted records. */
  compact(options?: AbortOptions): Promise<number>
  /** Returns once everything acknowledged is on disk. */
  flush(options?: AbortOptions): Promise<void>
  close(): Promise<void>
}
