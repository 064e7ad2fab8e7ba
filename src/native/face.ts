/** What the addon does, in the words of JavaScript. See native.ts. */

export type Layout = 'stripe' | 'mirror' | 'raidz1' | 'raidz2' | 'raidz3'

/**
 * Whose ZFS: the one inside this process, or the one of this machine's kernel. `auto` is the kernel
 * when it has imported a pool of the name.
 */
export type Engine = 'embedded' | 'kernel' | 'auto'
export const ENGINES: readonly Engine[] = ['embedded', 'kernel', 'auto']

/** As zfsprops(7) and zpoolprops(7) name and spell them. */
export type Properties = Record<string, string>

export interface PoolCreateOptions {
  name: string
  /** Absolute paths of files (made sparse when missing) or block devices. */
  vdevs: string[]
  layout: Layout
  /** Of each file that does not exist yet; at least 64 MiB. */
  sizeBytes: number
  /** Default 12. */
  ashift?: number
  rootProperties?: Properties
  /** Default: embedded. */
  engine?: Engine
  /** Upper bound of the embedded engine's cache; the first pool a process opens decides. Default: a quarter of
   * the machine's memory, at most 2 GiB. */
  arcMaxBytes?: number
}

/** `vdevs` may be empty where the kernel has the pool imported. */
export type PoolOpenOptions = Pick<PoolCreateOptions, 'name' | 'vdevs' | 'engine' | 'arcMaxBytes'>

export interface VdevStatus {
  name: string
  /** ONLINE, DEGRADED, FAULTED, … as zpool-status(8) prints it. */
  state: string
  readErrors: number
  writeErrors: number
  checksumErrors: number
  children: VdevStatus[]
}

export interface ScrubStatus {
  state: 'none' | 'scanning' | 'finished' | 'canceled'
  examinedBytes: number
  toExamineBytes: number
  repairedBytes: number
  errors: number
  startSeconds: number
  endSeconds: number
}

export interface PoolStatus {
  name: string
  guid: string
  state: string
  sizeBytes: number
  allocatedBytes: number
  freeBytes: number
  txg: number
  root: VdevStatus
  scrub: ScrubStatus
}

export interface DatasetStatus {
  name: string
  isSnapshot: boolean
  usedBytes: number
  referencedBytes: number
  logicalReferencedBytes: number
  availableBytes: number
  createdSeconds: number
  createdTxg: number
  compressRatio: number
}

/** A record that ZFS could not read or repair. */
export interface DamagedRecord {
  dataset: string
  /** ZFS object number, decimal (64 bits do not fit a number). */
  file: string
  level: number
  record: number
}

export interface SendOptions {
  /** An older snapshot, or a bookmark: only what changed since. */
  from?: string
  /** Records as they are stored. */
  compressed?: boolean
  /** Encrypted records as they are stored, which needs no key. */
  raw?: boolean
  /**
   * The receiver's property `receive_resume_token`: only the rest of a stream that was cut. `from`
   * must be as it was at first; `compressed` and `raw` are as the token says.
   */
  resumeToken?: string
}

export interface ReceiveOptions {
  /** Roll an existing dataset back to its newest snapshot first. */
  force?: boolean
  /**
   * Keep what came of a stream that is cut: the dataset's property `receive_resume_token` then says
   * how to send the rest, which is received with the same options.
   */
  resumable?: boolean
}

export interface Pool {
  status(): Promise<PoolStatus>
  clearErrors(): Promise<void>
  /** With a key (32 bytes) it is encrypted, and its key is loaded. */
  createDataset(name: string, properties: Properties, key?: Uint8Array): Promise<void>
  destroyDataset(name: string): Promise<void>
  listDatasets(root: string): Promise<DatasetStatus[]>
  setProperties(name: string, properties: Properties): Promise<void>
  getProperties(name: string): Promise<Properties>
  snapshot(names: string[]): Promise<void>
  listSnapshots(root: string): Promise<DatasetStatus[]>
  rollback(snapshot: string): Promise<void>
  destroySnapshots(names: string[]): Promise<void>
  clone(snapshot: string, name: string): Promise<void>
  /** A held snapshot cannot be destroyed. */
  hold(snapshot: string, tag: string): Promise<void>
  release(snapshot: string, tag: string): Promise<void>
  /** `dataset#name`: where an incremental stream may begin when the snapshot itself is gone. */
  bookmark(snapshot: string, name: string): Promise<void>
  /** Keys have 32 bytes. */
  loadKey(dataset: string, key: Uint8Array): Promise<void>
  unloadKey(dataset: string): Promise<void>
  changeKey(dataset: string, key: Uint8Array): Promise<void>
  /**
   * The stream of zfs-send(8), to an open file, pipe or socket. A ResumeTokenError is a token that
   * is none, or not of these snapshots.
   */
  send(snapshot: string, fd: number, options?: SendOptions): Promise<void>
  /**
   * A stream cut short is a DeviceError; one by a token that does not go on from what is kept
   * (which stays), a ResumeTokenError.
   */
  receive(snapshot: string, fd: number, options?: ReceiveOptions): Promise<void>
  /** Drops what a resumable receive kept in a dataset. */
  abortReceive(dataset: string): Promise<void>
  scrubStart(): Promise<void>
  scrubStop(): Promise<void>
  damagedRecords(): Promise<DamagedRecord[]>
  /** Waits for work in flight and the last transaction group. Idempotent. */
  close(): Promise<void>
}

export interface StoreOptions {
  /** Full dataset names, one a shard. */
  shards: string[]
  /** 4,096 entries: the shard of each 12-bit digest prefix. */
  bucketShards: Uint16Array
  /** Keys in memory, per shard, before they become a run. Default 262,144. */
  tableKeys?: number
  /** For tables, filters and pages of all shards. Default: all filters, 16 MiB of pages a shard. */
  indexMemoryBytes?: number
}

/** The index of one shard. What is counted is counted since it was opened. */
export interface IndexStats {
  keys: number
  runs: number
  /** In memory and in the log, in no run yet. */
  tableKeys: number
  logBytes: number
  runBytes: number
  /** In memory: filters and the first key of each page. */
  filterBytes: number
  /** In memory: pages that lookups want again. */
  cacheBytes: number
  /** In memory: tables, filters and cache. */
  memoryBytes: number
  changes: number
  logWrittenBytes: number
  runWrittenBytes: number
  merges: number
  lookups: number
  filterProbes: number
  falsePositives: number
  cachedPages: number
  readPages: number
  /** Times that a writer waited for background work. */
  stalls: number
  stalledMs: number
  longestStallMs: number
}

export interface IndexPage {
  /** Ascending by key (hex). `place`: where the block is, for people. */
  records: Array<{ key: string; place: string }>
  /** 32 bytes: go on from here; absent at the end. */
  next?: Uint8Array
}

/** When a change is acknowledged: `txg` once on disk, `flush` at once (on disk within 5 s). */
export type Durability = 'txg' | 'flush'

export interface ScanPage {
  /** Ascending by key. Empty ones are those of BadBlock. */
  multihashes: Uint8Array[]
  sizesBytes: number[]
  /** 32 bytes: go on from here; absent at the end. */
  next?: Uint8Array
}

export interface BadBlock {
  /** 32 bytes: the place of the block in a scan. */
  key: Uint8Array
  /** Empty when it is not sha2-256 and lies in the damaged record itself. */
  multihash: Uint8Array
  code: string
  why: string
}

export interface VerifyPage {
  byPointer: number
  byHash: number
  unhashed: number
  bytes: number
  bad: BadBlock[]
  next?: Uint8Array
}

export interface StoreStats {
  blocks: number
  blockBytes: number
  slotRecordsUsed: number
  packs: number
  packLiveBytes: number
  packDeadBytes: number
  indexRuns: number
  indexTableKeys: number
  indexDiskBytes: number
  indexMemoryBytes: number
}

/** Multihashes, without an object for each of the common ones. */
export interface RemovedBlocks {
  /** Of sha2-256, back to back. */
  digests: Uint8Array
  /** Of other functions. Empty ones are those of BadBlock. */
  multihashes: Uint8Array[]
}

/** What a batched get gives for each multihash: its bytes, nothing, or why it could not be read. */
export type GotBlock = Uint8Array | undefined | Error

export interface Store {
  /** `multihashes[i]` names `blocks[i]`; the arrays and bytes must not change until it resolves. */
  put(multihashes: Uint8Array[], blocks: Uint8Array[], durability: Durability): Promise<void>
  get(multihashes: Uint8Array[]): Promise<GotBlock[]>
  /** Sizes in bytes, -1 where absent. */
  sizes(multihashes: Uint8Array[]): Promise<Float64Array>
  /** The same two by keys (docs/format.md), back to back: without an object for each. */
  getKeys(keys: Uint8Array): Promise<GotBlock[]>
  sizesOfKeys(keys: Uint8Array): Promise<Float64Array>
  /**
   * `get` of one multihash without a promise: its bytes, null where there is none, undefined when
   * only `get` can tell because it would have to wait (or the block has more than 64 KiB).
   */
  getNow(multihash: Uint8Array): Uint8Array | null | undefined
  /** `sizes` in the same way: -1 where absent, undefined when only `sizes` can tell. */
  sizeNow(multihash: Uint8Array): number | undefined
  remove(multihashes: Uint8Array[], durability: Durability): Promise<void>
  /** The same by keys, back to back; tells what was there. What went before an error is not told. */
  removeKeys(keys: Uint8Array, durability: Durability): Promise<RemovedBlocks>
  /** `from`: 32 bytes, or undefined to begin. */
  scan(from: Uint8Array | undefined, limit: number): Promise<ScanPage>
  /** `damaged`: those of Pool.damagedRecords() that are in this store's datasets. */
  verify(from: Uint8Array | undefined, limit: number, damaged: DamagedRecord[]): Promise<VerifyPage>
  check(): Promise<string[]>
  stats(): Promise<StoreStats>
  /** One a shard. */
  indexStats(): Promise<IndexStats[]>
  /** `from`: 32 bytes, or undefined to begin. */
  indexDump(from: Uint8Array | undefined, limit: number): Promise<IndexPage>
  /** Makes one run of each shard's index. */
  indexCompact(): Promise<void>
  /** Returns once all that was acknowledged so far is on disk. */
  flush(): Promise<void>
  /** Bytes given back; 0 when no pack is worth it. */
  compactStep(): Promise<number>
  /** Waits for work in flight. Idempotent. */
  close(): Promise<void>
}

/** As native/store/catalog.h numbers them. */
export const CATALOG_FAMILIES = ['pins', 'refs', 'held', 'loose'] as const
export type CatalogFamily = (typeof CATALOG_FAMILIES)[number]

export interface CatalogRecords {
  /** 32 bytes each, back to back, ascending. */
  keys: Uint8Array
  values: Float64Array
  /** Go on from this key; absent at the end. */
  next?: Uint8Array
}

/** What keys have from now on, each at most once; 0 takes it away. */
export interface CatalogChanges {
  family: CatalogFamily
  keys: Uint8Array
  values: Float64Array
}

/** Added to what keys have, as often as they come; a sum of 0 takes one away. */
export interface CatalogSums {
  family: CatalogFamily
  keys: Uint8Array
  added: number
  /** Keys that are taken away have this value in another family from then on. */
  gone?: { family: CatalogFamily; value: number }
}

/** Digests and numbers: what pins are made of (src/pins/catalog.ts). */
export interface Catalog {
  /** 0 where there is none. */
  get(family: CatalogFamily, keys: Uint8Array): Promise<Float64Array>
  /** 1 for blocks of which a node counts or that a pin is on, else 0. */
  alive(keys: Uint8Array): Promise<Uint8Array>
  /**
   * All of it or nothing. A key that comes in two of the changes of a family has the same value in
   * both. `freeing`: it takes away more than it adds, and finds room on a full pool.
   */
  apply(
    changes: Array<CatalogChanges | CatalogSums>,
    freeing: boolean,
    durability: Durability
  ): Promise<void>
  scan(family: CatalogFamily, from: Uint8Array | undefined, limit: number): Promise<CatalogRecords>
  /** Exact, and at once. */
  count(family: CatalogFamily): number
  /** What the logs take on disk, in bytes. Each change of a key is in them, also an undone one. */
  logBytes(): number
  /** Writes what the logs hold into runs, and takes them away. NoSpaceError. */
  writeOut(): Promise<void>
  check(): Promise<string[]>
  /** Waits for work in flight. Idempotent. */
  close(): Promise<void>
}

export interface Native {
  createPool(options: PoolCreateOptions): Promise<Pool>
  openPool(options: PoolOpenOptions): Promise<Pool>
  /** Has this machine's kernel imported a pool of this name, and is it the one on these vdevs? */
  kernelHasPool(name: string, vdevs?: string[]): boolean
  /** Has the kernel import a pool, to stay, and mount its datasets. */
  importPool(name: string, vdevs: string[]): Promise<void>
  /** Has the kernel unmount and export a pool, so that the embedded engine can open it. */
  exportPool(name: string): Promise<void>
  openStore(pool: Pool, options: StoreOptions): Promise<Store>
  /** Lays the families out in the dataset when they are missing. */
  openCatalog(pool: Pool, dataset: string): Promise<Catalog>
  /**
   * The addon's own file: SQLite loads it as an extension (`enableLoadExtension`), which registers
   * the VFS `ipfszfs`; databases are then opened as `file:/<dataset>/<file>?vfs=ipfszfs`.
   */
  readonly sqliteExtension: string
  /** Returns once all that was written to files of this pool, SQLite's too, is on disk. */
  syncPool(pool: Pool): Promise<void>
  /** Makes I/O on a vdev's file fail. There only when IPFS_ZFS_TEST_FAULTS=1 was set at the start. */
  readonly setFileFault: ((path: string, fault: FileFault) => void) | undefined
}

/** For tests of lost disks. */
export type FileFault = 'none' | 'reads' | 'writes' | 'all'
