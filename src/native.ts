/**
 * The only file that touches the addon. Few calls, batches in and batches out; every call that may
 * wait runs on the addon's own threads, and nothing here blocks the event loop.
 *
 * All of these throw (reject with) the classes of errors.ts.
 */

import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { isUint8Array } from 'node:util/types'
import { InvalidParametersError, TooLargeError, fromNative } from './errors.ts'
import { passedThroughBuffers } from './young.ts'

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
}

export interface ReceiveOptions {
  /** Roll an existing dataset back to its newest snapshot first. */
  force?: boolean
  /** Keep what came of a stream that ended too early. */
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
  /** The stream of zfs-send(8), to an open file, pipe or socket. */
  send(snapshot: string, fd: number, options?: SendOptions): Promise<void>
  receive(snapshot: string, fd: number, options?: ReceiveOptions): Promise<void>
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

/** What a batched get gives for each multihash: its bytes, nothing, or why it could not be read. */
export type GotBlock = Uint8Array | undefined | Error

export interface Store {
  /** `multihashes[i]` names `blocks[i]`; the arrays and bytes must not change until it resolves. */
  put(multihashes: Uint8Array[], blocks: Uint8Array[], durability: Durability): Promise<void>
  get(multihashes: Uint8Array[]): Promise<GotBlock[]>
  /** Sizes in bytes, -1 where absent. */
  sizes(multihashes: Uint8Array[]): Promise<Float64Array>
  /** The same three for sha2-256, by digests back to back: without an object for each. */
  getDigests(digests: Uint8Array): Promise<GotBlock[]>
  sizesOfDigests(digests: Uint8Array): Promise<Float64Array>
  removeDigests(digests: Uint8Array, durability: Durability): Promise<void>
  /**
   * `get` of one multihash without a promise: its bytes, null where there is none, undefined when
   * only `get` can tell because it would have to wait (or the block has more than 64 KiB).
   */
  getNow(multihash: Uint8Array): Uint8Array | null | undefined
  /** `sizes` in the same way: -1 where absent, undefined when only `sizes` can tell. */
  sizeNow(multihash: Uint8Array): number | undefined
  remove(multihashes: Uint8Array[], durability: Durability): Promise<void>
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
  check(): Promise<string[]>
  /** Waits for work in flight. Idempotent. */
  close(): Promise<void>
}

export interface Native {
  createPool(options: PoolCreateOptions): Promise<Pool>
  openPool(options: PoolOpenOptions): Promise<Pool>
  /** Has this machine's kernel imported a pool of this name? */
  kernelHasPool(name: string): boolean
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

// ---- What is behind it: the addon, and the checks at its door.

/** In bytes and items, as native/store/block_store.h has them. */
const MAX_MULTIHASH_BYTES = 128
const MAX_BLOCK_BYTES = 4 << 20
const MAX_BATCH = 65_536
const BUCKETS = 4096
const KEY_BYTES = 32
const MAX_VDEVS = 256

declare const poolHandle: unique symbol
declare const storeHandle: unique symbol
declare const catalogHandle: unique symbol
type PoolHandle = { [poolHandle]: true }
type StoreHandle = { [storeHandle]: true }
type CatalogHandle = { [catalogHandle]: true }

/**
 * The addon's own exports. Multihashes of a batch go in back to back, with a byte for each length;
 * or, without lengths, digests of sha2-256.
 */
interface Addon {
  errorCodes: string[]
  /** Waits for work in flight and closes what is open; blocks, so only for the end of all. */
  end(): void
  setFileFault?: (path: string, fault: FileFault) => void
  createPool(options: PoolCreateOptions & { engine: Engine }): Promise<PoolHandle>
  openPool(options: PoolOpenOptions & { engine: Engine }): Promise<PoolHandle>
  kernelHasPool(name: string): boolean
  importPool(name: string, vdevs: string[]): Promise<void>
  exportPool(name: string): Promise<void>
  closePool(pool: PoolHandle): Promise<void>
  syncPool(pool: PoolHandle): Promise<void>
  poolStatus(pool: PoolHandle): Promise<PoolStatus>
  clearErrors(pool: PoolHandle): Promise<void>
  createDataset(
    pool: PoolHandle,
    name: string,
    properties: Properties,
    key: Uint8Array | undefined
  ): Promise<void>
  destroyDataset(pool: PoolHandle, name: string): Promise<void>
  listDatasets(pool: PoolHandle, root: string): Promise<DatasetStatus[]>
  setProperties(pool: PoolHandle, name: string, properties: Properties): Promise<void>
  getProperties(pool: PoolHandle, name: string): Promise<Properties>
  snapshot(pool: PoolHandle, names: string[]): Promise<void>
  listSnapshots(pool: PoolHandle, root: string): Promise<DatasetStatus[]>
  rollback(pool: PoolHandle, snapshot: string): Promise<void>
  destroySnapshots(pool: PoolHandle, names: string[]): Promise<void>
  clone(pool: PoolHandle, snapshot: string, name: string): Promise<void>
  hold(pool: PoolHandle, snapshot: string, tag: string): Promise<void>
  release(pool: PoolHandle, snapshot: string, tag: string): Promise<void>
  bookmark(pool: PoolHandle, snapshot: string, name: string): Promise<void>
  loadKey(pool: PoolHandle, dataset: string, key: Uint8Array): Promise<void>
  unloadKey(pool: PoolHandle, dataset: string): Promise<void>
  changeKey(pool: PoolHandle, dataset: string, key: Uint8Array): Promise<void>
  send(pool: PoolHandle, snapshot: string, options: SendOptions, fd: number): Promise<void>
  receive(pool: PoolHandle, snapshot: string, options: ReceiveOptions, fd: number): Promise<void>
  scrubStart(pool: PoolHandle): Promise<void>
  scrubStop(pool: PoolHandle): Promise<void>
  damagedRecords(pool: PoolHandle): Promise<DamagedRecord[]>
  openStore(
    pool: PoolHandle,
    shards: string[],
    bucketShards: Uint16Array,
    tableKeys: number | undefined
  ): Promise<StoreHandle>
  closeStore(store: StoreHandle): Promise<void>
  put(
    store: StoreHandle,
    bytes: Uint8Array,
    lengths: Uint8Array,
    blocks: Uint8Array[],
    durable: boolean
  ): Promise<void>
  /** Buffers, and for each block three numbers: its buffer, its offset and its length. */
  get(
    store: StoreHandle,
    bytes: Uint8Array,
    lengths: Uint8Array | undefined
  ): Promise<[buffers: ArrayBuffer[], places: Int32Array]>
  sizes(
    store: StoreHandle,
    bytes: Uint8Array,
    lengths: Uint8Array | undefined
  ): Promise<Float64Array>
  getNow(store: StoreHandle, multihash: Uint8Array): Uint8Array | null | undefined
  sizeNow(store: StoreHandle, multihash: Uint8Array): number | undefined
  remove(
    store: StoreHandle,
    bytes: Uint8Array,
    lengths: Uint8Array | undefined,
    durable: boolean
  ): Promise<void>
  flush(store: StoreHandle): Promise<void>
  scan(store: StoreHandle, from: Uint8Array | undefined, limit: number): Promise<AddonScanPage>
  verify(
    store: StoreHandle,
    from: Uint8Array | undefined,
    limit: number,
    damaged: DamagedRecord[]
  ): Promise<VerifyPage>
  check(store: StoreHandle): Promise<string[]>
  stats(store: StoreHandle): Promise<StoreStats>
  indexStats(store: StoreHandle): Promise<IndexStats[]>
  indexDump(store: StoreHandle, from: Uint8Array | undefined, limit: number): Promise<IndexPage>
  indexCompact(store: StoreHandle): Promise<number>
  compactStep(store: StoreHandle): Promise<number>
  openCatalog(pool: PoolHandle, dataset: string): Promise<CatalogHandle>
  closeCatalog(catalog: CatalogHandle): Promise<void>
  catalogGet(catalog: CatalogHandle, family: number, keys: Uint8Array): Promise<Float64Array>
  catalogAlive(catalog: CatalogHandle, keys: Uint8Array): Promise<Uint8Array>
  catalogApply(
    catalog: CatalogHandle,
    changes: AddonChanges[],
    freeing: boolean,
    durable: boolean
  ): Promise<void>
  catalogScan(
    catalog: CatalogHandle,
    family: number,
    from: Uint8Array | undefined,
    limit: number
  ): Promise<CatalogRecords>
  catalogCheck(catalog: CatalogHandle): Promise<string[]>
  catalogCount(catalog: CatalogHandle, family: number): number
}

type AddonChanges =
  | [family: number, keys: Uint8Array, values: Float64Array]
  | [family: number, keys: Uint8Array, added: number, goneFamily: number, goneValue: number]

interface AddonScanPage {
  multihashes: Uint8Array
  lengths: Uint8Array
  sizesBytes: number[]
  next?: Uint8Array
}

/** In src/ and in dist/ this file is one folder below the package. */
const addonPath = fileURLToPath(new URL('../native/build/Release/ipfs_zfs.node', import.meta.url))

let loaded: Addon | undefined

/** Loaded at the first use, so that `--help` works before `npm run setup`. */
function addon(): Addon {
  if (loaded == null) {
    if (!existsSync(addonPath)) {
      throw new Error(`the addon is not built (${addonPath} is missing): run \`npm run setup\``)
    }
    loaded = createRequire(import.meta.url)(addonPath) as Addon
    // What was acknowledged under `flush` would be lost by process.exit(): Node then runs none of
    // the addon's own clean-up.
    process.once('exit', () => loaded?.end())
  }
  return loaded
}

/** What the addon rejects with, as a class of errors.ts. */
function asError(reason: unknown): unknown {
  if (reason instanceof Error || typeof reason !== 'object' || reason == null) return reason
  const { code, message } = reason as { code?: unknown; message?: unknown }
  return typeof code === 'string' ? fromNative(code, String(message)) : reason
}

async function settled<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (reason) {
    throw asError(reason)
  }
}

// ---- Checks

function checkString(value: unknown, what: string): asserts value is string {
  if (typeof value !== 'string' || value === '' || value.includes('\0')) {
    throw new InvalidParametersError(`${what} must be a text without NUL and not empty`)
  }
}

function checkStrings(values: unknown, what: string): asserts values is string[] {
  if (!Array.isArray(values)) throw new InvalidParametersError(`${what} must be an array`)
  for (const value of values) checkString(value, `each of ${what}`)
}

function checkProperties(properties: unknown): asserts properties is Properties {
  if (typeof properties !== 'object' || properties == null) {
    throw new InvalidParametersError('properties must be an object')
  }
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value !== 'string') {
      throw new InvalidParametersError(`property ${name} must be a text, as zfsprops(7) spells it`)
    }
  }
}

function checkInteger(value: unknown, what: string, least: number, most: number): void {
  if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most) {
    throw new InvalidParametersError(`${what} must be an integer from ${least} to ${most}`)
  }
}

function checkVdevs(vdevs: unknown, fewest: number): void {
  checkStrings(vdevs, 'vdevs')
  if (vdevs.length < fewest || vdevs.length > MAX_VDEVS) {
    throw new InvalidParametersError(`a pool has 1 to ${MAX_VDEVS} vdevs`)
  }
  const relative = vdevs.find(path => !path.startsWith('/'))
  if (relative != null) throw new InvalidParametersError(`vdev ${relative} is no absolute path`)
}

function checkPoolOptions(options: PoolOpenOptions): void {
  const { name, vdevs, engine = 'embedded' } = options
  checkString(name, 'the name of a pool')
  if (!ENGINES.includes(engine)) {
    throw new InvalidParametersError(`there is no engine '${engine}': ${ENGINES.join(', ')}`)
  }
  checkVdevs(vdevs, engine === 'embedded' ? 1 : 0)
  if (options.arcMaxBytes != null) {
    checkInteger(options.arcMaxBytes, 'arcMaxBytes', 0, Number.MAX_SAFE_INTEGER)
  }
}

function checkKey(key: unknown): asserts key is Uint8Array | undefined {
  if (key !== undefined && !(isUint8Array(key) && key.length === KEY_BYTES)) {
    throw new InvalidParametersError(`a key to go on from is a Uint8Array of ${KEY_BYTES} bytes`)
  }
}

/** Back to back; as many as a batch takes. */
function checkKeys(keys: unknown): asserts keys is Uint8Array {
  if (!isUint8Array(keys) || keys.length % KEY_BYTES !== 0) {
    throw new InvalidParametersError(`keys are a Uint8Array of ${KEY_BYTES} bytes each`)
  }
  if (keys.length > MAX_BATCH * KEY_BYTES) {
    throw new TooLargeError(
      `a batch has at most ${MAX_BATCH} items, not ${keys.length / KEY_BYTES}`
    )
  }
}

function checkWrappingKey(key: unknown): asserts key is Uint8Array {
  if (!isUint8Array(key) || key.length !== KEY_BYTES) {
    throw new InvalidParametersError(`an encryption key is a Uint8Array of ${KEY_BYTES} bytes`)
  }
}

function checkDurability(durability: unknown): boolean {
  if (durability !== 'txg' && durability !== 'flush') {
    throw new InvalidParametersError("durability must be 'txg' or 'flush'")
  }
  return durability === 'txg'
}

/** The addon copies these before it returns, so one pair serves all batches. */
let packedBytes = new Uint8Array(4096)
let packedLengths = new Uint8Array(128)

interface Packed {
  bytes: Uint8Array
  lengths: Uint8Array
}

function checkMultihash(multihash: unknown, index = 0): asserts multihash is Uint8Array {
  const length = isUint8Array(multihash) ? multihash.length : 0
  if (length === 0 || length > MAX_MULTIHASH_BYTES) {
    throw new InvalidParametersError(
      `multihash ${index} must be a Uint8Array of 1 to ${MAX_MULTIHASH_BYTES} bytes`
    )
  }
}

function packed(multihashes: Uint8Array[]): Packed {
  if (!Array.isArray(multihashes)) {
    throw new InvalidParametersError('multihashes must be an array')
  }
  const count = multihashes.length
  if (count > MAX_BATCH) {
    throw new TooLargeError(`a batch has at most ${MAX_BATCH} items, not ${count}`)
  }
  if (packedLengths.length < count) packedLengths = new Uint8Array(2 * count)
  let used = 0
  for (let i = 0; i < count; i++) {
    const multihash = multihashes[i]
    checkMultihash(multihash, i)
    const { length } = multihash
    if (used + length > packedBytes.length) {
      const larger = new Uint8Array(Math.max(2 * packedBytes.length, 40 * count))
      larger.set(packedBytes)
      packedBytes = larger
    }
    packedBytes.set(multihash, used)
    packedLengths[i] = length
    used += length
  }
  return { bytes: packedBytes.subarray(0, used), lengths: packedLengths.subarray(0, count) }
}

/** A copy of the array, whose elements stay what they are while the addon reads them. */
function checkedBlocks(blocks: Uint8Array[], count: number): Uint8Array[] {
  if (!Array.isArray(blocks) || blocks.length !== count) {
    throw new InvalidParametersError('there must be as many blocks as multihashes')
  }
  const copy = blocks.slice()
  for (let i = 0; i < count; i++) {
    const block = copy[i]
    if (!isUint8Array(block)) {
      throw new InvalidParametersError(`block ${i} must be a Uint8Array`)
    }
    if (block.length > MAX_BLOCK_BYTES) {
      throw new TooLargeError(
        `block ${i} has ${block.length} bytes; the most is ${MAX_BLOCK_BYTES}`
      )
    }
    // `resizable` is undefined for a SharedArrayBuffer.
    const memory = block.buffer as ArrayBuffer
    if (memory.resizable !== false || memory.detached) {
      throw new InvalidParametersError(
        `block ${i} must be backed by an ArrayBuffer that is not detached, shared or resizable`
      )
    }
  }
  return copy
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}

// ---- Pools and stores

class NativePool implements Pool {
  readonly #addon = addon()
  readonly #handle: PoolHandle

  constructor(handle: PoolHandle) {
    this.#handle = handle
  }

  async status(): Promise<PoolStatus> {
    return settled(this.#addon.poolStatus(this.#handle))
  }

  async clearErrors(): Promise<void> {
    return settled(this.#addon.clearErrors(this.#handle))
  }

  async createDataset(name: string, properties: Properties, key?: Uint8Array): Promise<void> {
    checkString(name, 'the name of a dataset')
    checkProperties(properties)
    if (key != null) checkWrappingKey(key)
    return settled(this.#addon.createDataset(this.#handle, name, properties, key))
  }

  async destroyDataset(name: string): Promise<void> {
    checkString(name, 'the name of a dataset')
    return settled(this.#addon.destroyDataset(this.#handle, name))
  }

  async listDatasets(root: string): Promise<DatasetStatus[]> {
    checkString(root, 'the name of a dataset')
    return settled(this.#addon.listDatasets(this.#handle, root))
  }

  async setProperties(name: string, properties: Properties): Promise<void> {
    checkString(name, 'the name of a dataset')
    checkProperties(properties)
    return settled(this.#addon.setProperties(this.#handle, name, properties))
  }

  async getProperties(name: string): Promise<Properties> {
    checkString(name, 'the name of a dataset')
    return settled(this.#addon.getProperties(this.#handle, name))
  }

  async snapshot(names: string[]): Promise<void> {
    checkStrings(names, 'the names of snapshots')
    return settled(this.#addon.snapshot(this.#handle, names))
  }

  async listSnapshots(root: string): Promise<DatasetStatus[]> {
    checkString(root, 'the name of a dataset')
    return settled(this.#addon.listSnapshots(this.#handle, root))
  }

  async rollback(snapshot: string): Promise<void> {
    checkString(snapshot, 'the name of a snapshot')
    return settled(this.#addon.rollback(this.#handle, snapshot))
  }

  async destroySnapshots(names: string[]): Promise<void> {
    checkStrings(names, 'the names of snapshots')
    return settled(this.#addon.destroySnapshots(this.#handle, names))
  }

  async clone(snapshot: string, name: string): Promise<void> {
    checkString(snapshot, 'the name of a snapshot')
    checkString(name, 'the name of a dataset')
    return settled(this.#addon.clone(this.#handle, snapshot, name))
  }

  async hold(snapshot: string, tag: string): Promise<void> {
    checkString(snapshot, 'the name of a snapshot')
    checkString(tag, 'the tag of a hold')
    return settled(this.#addon.hold(this.#handle, snapshot, tag))
  }

  async release(snapshot: string, tag: string): Promise<void> {
    checkString(snapshot, 'the name of a snapshot')
    checkString(tag, 'the tag of a hold')
    return settled(this.#addon.release(this.#handle, snapshot, tag))
  }

  async bookmark(snapshot: string, name: string): Promise<void> {
    checkString(snapshot, 'the name of a snapshot')
    checkString(name, 'the name of a bookmark')
    return settled(this.#addon.bookmark(this.#handle, snapshot, name))
  }

  async loadKey(dataset: string, key: Uint8Array): Promise<void> {
    checkString(dataset, 'the name of a dataset')
    checkWrappingKey(key)
    return settled(this.#addon.loadKey(this.#handle, dataset, key))
  }

  async unloadKey(dataset: string): Promise<void> {
    checkString(dataset, 'the name of a dataset')
    return settled(this.#addon.unloadKey(this.#handle, dataset))
  }

  async changeKey(dataset: string, key: Uint8Array): Promise<void> {
    checkString(dataset, 'the name of a dataset')
    checkWrappingKey(key)
    return settled(this.#addon.changeKey(this.#handle, dataset, key))
  }

  async send(snapshot: string, fd: number, options: SendOptions = {}): Promise<void> {
    checkString(snapshot, 'the name of a snapshot')
    checkInteger(fd, 'a file descriptor', 0, 2 ** 31 - 1)
    if (options.from != null) checkString(options.from, 'the name of a snapshot or bookmark')
    return settled(this.#addon.send(this.#handle, snapshot, options, fd))
  }

  async receive(snapshot: string, fd: number, options: ReceiveOptions = {}): Promise<void> {
    checkString(snapshot, 'the name of a snapshot')
    checkInteger(fd, 'a file descriptor', 0, 2 ** 31 - 1)
    return settled(this.#addon.receive(this.#handle, snapshot, options, fd))
  }

  async scrubStart(): Promise<void> {
    return settled(this.#addon.scrubStart(this.#handle))
  }

  async scrubStop(): Promise<void> {
    return settled(this.#addon.scrubStop(this.#handle))
  }

  async damagedRecords(): Promise<DamagedRecord[]> {
    return settled(this.#addon.damagedRecords(this.#handle))
  }

  async close(): Promise<void> {
    return settled(this.#addon.closePool(this.#handle))
  }

  static handle(pool: Pool): PoolHandle {
    if (typeof pool !== 'object' || pool == null || !(#handle in pool)) {
      throw new InvalidParametersError('this is no pool of createPool() or openPool()')
    }
    return pool.#handle
  }
}

class NativeStore implements Store {
  readonly #addon = addon()
  readonly #handle: StoreHandle

  constructor(handle: StoreHandle) {
    this.#handle = handle
  }

  async put(
    multihashes: Uint8Array[],
    blocks: Uint8Array[],
    durability: Durability
  ): Promise<void> {
    const durable = checkDurability(durability)
    const { bytes, lengths } = packed(multihashes)
    const checked = checkedBlocks(blocks, lengths.length)
    return settled(this.#addon.put(this.#handle, bytes, lengths, checked, durable))
  }

  async get(multihashes: Uint8Array[]): Promise<GotBlock[]> {
    const { bytes, lengths } = packed(multihashes)
    const found = await settled(this.#addon.get(this.#handle, bytes, lengths))
    return this.#got(found, i => hex(multihashes[i] as Uint8Array))
  }

  async getDigests(digests: Uint8Array): Promise<GotBlock[]> {
    checkKeys(digests)
    const found = await settled(this.#addon.get(this.#handle, digests, undefined))
    return this.#got(found, i => `1220${hex(digests.subarray(i * KEY_BYTES, (i + 1) * KEY_BYTES))}`)
  }

  #got([buffers, places]: [ArrayBuffer[], Int32Array], nameOf: (i: number) => string): GotBlock[] {
    passedThroughBuffers(buffers.reduce((bytes, buffer) => bytes + buffer.byteLength, 0))
    const got = new Array<GotBlock>(places.length / 3).fill(undefined)
    for (let i = 0; i < got.length; i++) {
      const at = places[3 * i] as number
      if (at >= 0) {
        got[i] = new Uint8Array(buffers[at] as ArrayBuffer, places[3 * i + 1], places[3 * i + 2])
      } else if (at < -1) {
        const code = this.#addon.errorCodes[-2 - at] ?? 'ERR_IO'
        got[i] = fromNative(code, `the block of multihash ${nameOf(i)} could not be read`)
      }
    }
    return got
  }

  async sizes(multihashes: Uint8Array[]): Promise<Float64Array> {
    const { bytes, lengths } = packed(multihashes)
    return settled(this.#addon.sizes(this.#handle, bytes, lengths))
  }

  async sizesOfDigests(digests: Uint8Array): Promise<Float64Array> {
    checkKeys(digests)
    return settled(this.#addon.sizes(this.#handle, digests, undefined))
  }

  async removeDigests(digests: Uint8Array, durability: Durability): Promise<void> {
    const durable = checkDurability(durability)
    checkKeys(digests)
    return settled(this.#addon.remove(this.#handle, digests, undefined, durable))
  }

  getNow(multihash: Uint8Array): Uint8Array | null | undefined {
    checkMultihash(multihash)
    return this.#addon.getNow(this.#handle, multihash)
  }

  sizeNow(multihash: Uint8Array): number | undefined {
    checkMultihash(multihash)
    return this.#addon.sizeNow(this.#handle, multihash)
  }

  async remove(multihashes: Uint8Array[], durability: Durability): Promise<void> {
    const durable = checkDurability(durability)
    const { bytes, lengths } = packed(multihashes)
    return settled(this.#addon.remove(this.#handle, bytes, lengths, durable))
  }

  async scan(from: Uint8Array | undefined, limit: number): Promise<ScanPage> {
    checkKey(from)
    checkInteger(limit, 'the limit of a scan', 1, MAX_BATCH)
    const page = await settled(this.#addon.scan(this.#handle, from, limit))
    const multihashes: Uint8Array[] = []
    let offset = 0
    for (const length of page.lengths) {
      // Copies, so that one that is kept does not keep the whole page.
      multihashes.push(page.multihashes.slice(offset, offset + length))
      offset += length
    }
    const { sizesBytes, next } = page
    return next == null ? { multihashes, sizesBytes } : { multihashes, sizesBytes, next }
  }

  async verify(
    from: Uint8Array | undefined,
    limit: number,
    damaged: DamagedRecord[]
  ): Promise<VerifyPage> {
    checkKey(from)
    checkInteger(limit, 'the limit of a verification', 1, MAX_BATCH)
    if (!Array.isArray(damaged)) throw new InvalidParametersError('damaged must be an array')
    return settled(this.#addon.verify(this.#handle, from, limit, damaged))
  }

  async check(): Promise<string[]> {
    return settled(this.#addon.check(this.#handle))
  }

  async stats(): Promise<StoreStats> {
    return settled(this.#addon.stats(this.#handle))
  }

  async indexStats(): Promise<IndexStats[]> {
    return settled(this.#addon.indexStats(this.#handle))
  }

  async indexDump(from: Uint8Array | undefined, limit: number): Promise<IndexPage> {
    checkKey(from)
    checkInteger(limit, 'the limit of a dump', 1, MAX_BATCH)
    return settled(this.#addon.indexDump(this.#handle, from, limit))
  }

  async indexCompact(): Promise<void> {
    await settled(this.#addon.indexCompact(this.#handle))
  }

  async flush(): Promise<void> {
    return settled(this.#addon.flush(this.#handle))
  }

  async compactStep(): Promise<number> {
    return settled(this.#addon.compactStep(this.#handle))
  }

  async close(): Promise<void> {
    return settled(this.#addon.closeStore(this.#handle))
  }
}

class NativeCatalog implements Catalog {
  readonly #addon = addon()
  readonly #handle: CatalogHandle

  constructor(handle: CatalogHandle) {
    this.#handle = handle
  }

  async get(family: CatalogFamily, keys: Uint8Array): Promise<Float64Array> {
    checkKeys(keys)
    return settled(this.#addon.catalogGet(this.#handle, familyNumber(family), keys))
  }

  async alive(keys: Uint8Array): Promise<Uint8Array> {
    checkKeys(keys)
    return settled(this.#addon.catalogAlive(this.#handle, keys))
  }

  async apply(
    changes: Array<CatalogChanges | CatalogSums>,
    freeing: boolean,
    durability: Durability
  ): Promise<void> {
    const durable = checkDurability(durability)
    const parts = changes.map(checkedChanges)
    return settled(this.#addon.catalogApply(this.#handle, parts, freeing, durable))
  }

  async scan(
    family: CatalogFamily,
    from: Uint8Array | undefined,
    limit: number
  ): Promise<CatalogRecords> {
    checkKey(from)
    checkInteger(limit, 'the limit of a scan', 1, MAX_BATCH)
    return settled(this.#addon.catalogScan(this.#handle, familyNumber(family), from, limit))
  }

  count(family: CatalogFamily): number {
    return this.#addon.catalogCount(this.#handle, familyNumber(family))
  }

  async check(): Promise<string[]> {
    return settled(this.#addon.catalogCheck(this.#handle))
  }

  async close(): Promise<void> {
    return settled(this.#addon.closeCatalog(this.#handle))
  }
}

function checkedChanges(changes: CatalogChanges | CatalogSums): AddonChanges {
  const { keys } = changes
  const family = familyNumber(changes.family)
  if (!isUint8Array(keys) || keys.length % KEY_BYTES !== 0) {
    throw new InvalidParametersError('changes have keys of 32 bytes, back to back')
  }
  if ('added' in changes) {
    const { added, gone = { family: 'loose', value: 0 } } = changes
    checkInteger(added, 'what is added', -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
    checkInteger(gone.value, 'a value', 0, Number.MAX_SAFE_INTEGER)
    return [family, keys, added, familyNumber(gone.family), gone.value]
  }
  const { values } = changes
  if (!(values instanceof Float64Array) || keys.length !== values.length * KEY_BYTES) {
    throw new InvalidParametersError('there must be as many values as keys')
  }
  if (values.some(value => !Number.isSafeInteger(value) || value < 0)) {
    throw new InvalidParametersError('values are whole numbers from 0 to 2^53 - 1')
  }
  return [family, keys, values]
}

function familyNumber(family: CatalogFamily): number {
  const number = CATALOG_FAMILIES.indexOf(family)
  if (number < 0) throw new InvalidParametersError(`there is no family '${family}'`)
  return number
}

export const native: Native = {
  sqliteExtension: addonPath,

  get setFileFault() {
    return addon().setFileFault
  },

  async createPool(options) {
    checkPoolOptions(options)
    checkString(options.layout, 'the layout')
    if (!/^(stripe|mirror|raidz[123])$/.test(options.layout)) {
      throw new InvalidParametersError(`there is no layout '${options.layout}'`)
    }
    checkInteger(options.sizeBytes, 'sizeBytes', 0, Number.MAX_SAFE_INTEGER)
    if (options.ashift != null) checkInteger(options.ashift, 'ashift', 9, 16)
    if (options.rootProperties != null) checkProperties(options.rootProperties)
    const engine = options.engine ?? 'embedded'
    return new NativePool(await settled(addon().createPool({ ...options, engine })))
  },

  async openPool(options) {
    checkPoolOptions(options)
    const engine = options.engine ?? 'embedded'
    return new NativePool(await settled(addon().openPool({ ...options, engine })))
  },

  kernelHasPool(name) {
    checkString(name, 'the name of a pool')
    return addon().kernelHasPool(name)
  },

  async importPool(name, vdevs) {
    checkString(name, 'the name of a pool')
    checkVdevs(vdevs, 0)
    return settled(addon().importPool(name, vdevs))
  },

  async exportPool(name) {
    checkString(name, 'the name of a pool')
    return settled(addon().exportPool(name))
  },

  async openStore(pool, { shards, bucketShards, tableKeys }) {
    const handle = NativePool.handle(pool)
    checkStrings(shards, 'the names of shards')
    if (shards.length === 0 || shards.length > BUCKETS || new Set(shards).size < shards.length) {
      throw new InvalidParametersError(`a store has 1 to ${BUCKETS} different shards`)
    }
    if (!(bucketShards instanceof Uint16Array) || bucketShards.length !== BUCKETS) {
      throw new InvalidParametersError(`bucketShards must be a Uint16Array of ${BUCKETS} entries`)
    }
    if (bucketShards.some(shard => shard >= shards.length)) {
      throw new InvalidParametersError('bucketShards names a shard that is not there')
    }
    if (tableKeys != null) checkInteger(tableKeys, 'tableKeys', 1, 2 ** 31)
    return new NativeStore(
      await settled(addon().openStore(handle, shards, bucketShards, tableKeys))
    )
  },

  async openCatalog(pool, dataset) {
    const handle = NativePool.handle(pool)
    checkString(dataset, 'the name of a dataset')
    return new NativeCatalog(await settled(addon().openCatalog(handle, dataset)))
  },

  async syncPool(pool) {
    return settled(addon().syncPool(NativePool.handle(pool)))
  }
}
