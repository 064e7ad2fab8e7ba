/**
 * The only file that touches the addon. Few calls, batches in and batches out; every call runs on
 * the addon's own threads, and nothing here blocks the event loop.
 *
 * All of these throw (reject with) the classes of errors.ts.
 */

export type Layout = 'stripe' | 'mirror' | 'raidz1' | 'raidz2' | 'raidz3'

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
  /** Upper bound of ZFS's cache; the first pool a process opens decides. Default: a quarter of
   * the machine's memory, at most 2 GiB. */
  arcMaxBytes?: number
}

export type PoolOpenOptions = Pick<PoolCreateOptions, 'name' | 'vdevs' | 'arcMaxBytes'>

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

export interface Pool {
  status(): Promise<PoolStatus>
  clearErrors(): Promise<void>
  createDataset(name: string, properties: Properties): Promise<void>
  destroyDataset(name: string): Promise<void>
  listDatasets(root: string): Promise<DatasetStatus[]>
  setProperties(name: string, properties: Properties): Promise<void>
  getProperties(name: string): Promise<Properties>
  snapshot(names: string[]): Promise<void>
  listSnapshots(root: string): Promise<DatasetStatus[]>
  rollback(snapshot: string): Promise<void>
  destroySnapshots(names: string[]): Promise<void>
  clone(snapshot: string, name: string): Promise<void>
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
}

/** When a change is acknowledged: `txg` once on disk, `flush` at once (on disk within 5 s). */
export type Durability = 'txg' | 'flush'

export interface ScanPage {
  /** Ascending by key. */
  multihashes: Uint8Array[]
  sizesBytes: number[]
  /** 32 bytes: go on from here; absent at the end. */
  next?: Uint8Array
}

export interface BadBlock {
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

/** What a batched get gives for each multihash: its bytes, nothing, or why it could not be read. */
export type GotBlock = Uint8Array | undefined | Error

export interface Store {
  /** `multihashes[i]` names `blocks[i]`; the arrays and bytes must not change until it resolves. */
  put(multihashes: Uint8Array[], blocks: Uint8Array[], durability: Durability): Promise<void>
  get(multihashes: Uint8Array[]): Promise<GotBlock[]>
  /** Sizes in bytes, -1 where absent. */
  sizes(multihashes: Uint8Array[]): Promise<Float64Array>
  remove(multihashes: Uint8Array[], durability: Durability): Promise<void>
  /** `from`: 32 bytes, or undefined to begin. */
  scan(from: Uint8Array | undefined, limit: number): Promise<ScanPage>
  /** `damaged`: those of Pool.damagedRecords() that are in this store's datasets. */
  verify(from: Uint8Array | undefined, limit: number, damaged: DamagedRecord[]): Promise<VerifyPage>
  check(): Promise<string[]>
  stats(): Promise<StoreStats>
  /** Returns once all that was acknowledged so far is on disk. */
  flush(): Promise<void>
  /** Bytes given back; 0 when no pack is worth it. */
  compactStep(): Promise<number>
  /** Waits for work in flight. Idempotent. */
  close(): Promise<void>
}

export interface Native {
  createPool(options: PoolCreateOptions): Promise<Pool>
  openPool(options: PoolOpenOptions): Promise<Pool>
  openStore(pool: Pool, options: StoreOptions): Promise<Store>
  /**
   * The addon's own file: SQLite loads it as an extension (`enableLoadExtension`), which registers
   * the VFS `ipfszfs`; databases are then opened as `file:/<dataset>/<file>?vfs=ipfszfs`.
   */
  readonly sqliteExtension: string
  /** Returns once all that was written to files of this pool, SQLite's too, is on disk. */
  syncPool(pool: Pool): Promise<void>
}
