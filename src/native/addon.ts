import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { fromNative } from '../errors.ts'
import type {
  CatalogRecords,
  DamagedRecord,
  DatasetStatus,
  Engine,
  FileFault,
  IndexPage,
  IndexStats,
  PoolCreateOptions,
  PoolOpenOptions,
  PoolStatus,
  Properties,
  ReceiveOptions,
  SendOptions,
  StoreStats,
  VerifyPage
} from './face.ts'

declare const poolHandle: unique symbol
declare const storeHandle: unique symbol
declare const catalogHandle: unique symbol
export type PoolHandle = { [poolHandle]: true }
export type StoreHandle = { [storeHandle]: true }
export type CatalogHandle = { [catalogHandle]: true }

/**
 * The addon's own exports. Multihashes of a batch go in back to back, with a byte for each length;
 * or, without lengths, keys of blocks.
 */
interface Addon {
  errorCodes: string[]
  /** Waits for work in flight and closes what is open; blocks, so only for the end of all. */
  end(): void
  setFileFault?: (path: string, fault: FileFault) => void
  createPool(options: PoolCreateOptions & { engine: Engine }): Promise<PoolHandle>
  openPool(options: PoolOpenOptions & { engine: Engine }): Promise<PoolHandle>
  kernelHasPool(name: string, vdevs: string[]): boolean
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
  abortReceive(pool: PoolHandle, dataset: string): Promise<void>
  scrubStart(pool: PoolHandle): Promise<void>
  scrubStop(pool: PoolHandle): Promise<void>
  damagedRecords(pool: PoolHandle): Promise<DamagedRecord[]>
  openStore(
    pool: PoolHandle,
    shards: string[],
    bucketShards: Uint16Array,
    tableKeys: number | undefined,
    indexMemoryBytes: number | undefined
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
    lengths: Uint8Array,
    durable: boolean
  ): Promise<void>
  removeKeys(
    store: StoreHandle,
    keys: Uint8Array,
    durable: boolean
  ): Promise<[digests: Uint8Array, multihashes: Uint8Array[]]>
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
  catalogWriteOut(catalog: CatalogHandle): Promise<void>
  catalogLogBytes(catalog: CatalogHandle): number
  catalogCount(catalog: CatalogHandle, family: number): number
}

export type AddonChanges =
  | [family: number, keys: Uint8Array, values: Float64Array]
  | [family: number, keys: Uint8Array, added: number, goneFamily: number, goneValue: number]

interface AddonScanPage {
  multihashes: Uint8Array
  lengths: Uint8Array
  sizesBytes: number[]
  next?: Uint8Array
}

/** In src/ and in dist/ this file is two folders below the package. */
export const addonPath = fileURLToPath(
  new URL('../../native/build/Release/ipfs_zfs.node', import.meta.url)
)

let loaded: Addon | undefined

/** Loaded at the first use, so that `--help` works before `npm run setup`. */
export function addon(): Addon {
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

export async function settled<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (reason) {
    throw asError(reason)
  }
}
