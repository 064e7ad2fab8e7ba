/** A pool in a temporary file, and blocks to put into it. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { native } from '../../src/native.ts'
import type { Pool, Store } from '../../src/native.ts'

export const SHARDS = 2
export const MIB = 1 << 20

export interface Place {
  folder: string
  name: string
  vdev: string
}

export interface Scratch {
  place: Place
  pool: Pool
  store: Store
}

export function newPlace(): Place {
  const folder = mkdtempSync(join(tmpdir(), 'ipfs-zfs-addon-'))
  return { folder, name: `addon-${randomBytes(6).toString('hex')}`, vdev: join(folder, 'pool.img') }
}

export async function createPool({ name, vdev }: Place): Promise<Pool> {
  const pool = await native.createPool({
    name,
    vdevs: [vdev],
    layout: 'stripe',
    sizeBytes: 2048 * MIB,
    arcMaxBytes: 128 * MIB,
    rootProperties: { compression: 'lz4', checksum: 'sha256', atime: 'off' }
  })
  for (const shard of shardNames(name)) await pool.createDataset(shard, {})
  return pool
}

export function shardNames(pool: string): string[] {
  return Array.from({ length: SHARDS }, (_, i) => `${pool}/shard-${i}`)
}

export function openStore(pool: Pool, { name }: Place): Promise<Store> {
  const bucketShards = Uint16Array.from({ length: 4096 }, (_, bucket) => bucket % SHARDS)
  return native.openStore(pool, { shards: shardNames(name), bucketShards })
}

export async function createScratch(): Promise<Scratch> {
  const place = newPlace()
  const pool = await createPool(place)
  return { place, pool, store: await openStore(pool, place) }
}

export async function dispose({ place, pool, store }: Scratch): Promise<void> {
  await store.close()
  await pool.close()
  rmSync(place.folder, { recursive: true })
}

/** A sha2-256 multihash. */
export function multihashOf(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from([0x12, 32, ...createHash('sha256').update(bytes).digest()])
}

export interface Blocks {
  multihashes: Uint8Array[]
  blocks: Uint8Array[]
}

/** Random bytes, different for each block; `length` may depend on the index. */
export function makeBlocks(count: number, length: number | ((i: number) => number)): Blocks {
  const blocks = Array.from({ length: count }, (_, i) =>
    Uint8Array.from(randomBytes(typeof length === 'number' ? length : length(i)))
  )
  return { blocks, multihashes: blocks.map(multihashOf) }
}

export function equalBytes(a: unknown, b: Uint8Array): boolean {
  return a instanceof Uint8Array && Buffer.compare(a, b) === 0
}
