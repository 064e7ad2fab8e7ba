import { join } from 'node:path'
import { MemoryBlockstore } from 'blockstore-core'
import { FsBlockstore } from 'blockstore-fs'
import { LevelBlockstore } from 'blockstore-level'
import { Key } from 'interface-datastore'
import { LevelDatastore } from 'datastore-level'
import { base32upper } from 'multiformats/bases/base32'
import type { CID } from 'multiformats/cid'
import { openRepo } from '../src/index.ts'
import type { Block } from './blocks.ts'

/** What every store is measured through: the calls that all of them have. */
export interface Contender {
  put(block: Block): Promise<unknown>
  putMany(blocks: Block[]): Promise<void>
  get(cid: CID): Promise<Uint8Array>
  /** Returns the bytes read. */
  getMany(cids: CID[]): Promise<number>
  has(cid: CID): Promise<boolean>
  /** Reads everything; returns the count of blocks. */
  getAll(): Promise<number>
  close(): Promise<void>
}

export type ContenderName = keyof typeof contenders

/** `durable`: acknowledged only once on disk. The others may lose what they just acknowledged. */
export const contenders = {
  'ipfs-zfs': { durable: false, open: (folder: string) => zfs(folder, 'flush') },
  'ipfs-zfs txg': { durable: true, open: (folder: string) => zfs(folder, 'txg') },
  'blockstore-fs': { durable: false, open: fs },
  'blockstore-level': { durable: false, open: level },
  'datastore-level': { durable: false, open: datastoreLevel },
  memory: { durable: false, open: async () => overBlockstore(new MemoryBlockstore(), noClose) }
} satisfies Record<string, { durable: boolean; open: (folder: string) => Promise<Contender> }>

const POOL_BYTES = 16 * 1024 ** 3

async function zfs(folder: string, durability: 'txg' | 'flush'): Promise<Contender> {
  const repo = await openRepo({
    path: join(folder, 'repo'),
    create: true,
    durability,
    pool: { sizeBytes: POOL_BYTES }
  })
  return overBlockstore(repo.blockstore, () => repo.close())
}

async function fs(folder: string): Promise<Contender> {
  const store = new FsBlockstore(join(folder, 'fs'))
  await store.open()
  return overBlockstore(store, () => store.close())
}

async function level(folder: string): Promise<Contender> {
  const store = new LevelBlockstore(join(folder, 'level'))
  await store.open()
  return overBlockstore(store, () => store.close())
}

/** Blocks as records, as Helia nodes with one datastore for all keep them. */
async function datastoreLevel(folder: string): Promise<Contender> {
  const store = new LevelDatastore(join(folder, 'datastore'))
  await store.open()
  const key = (cid: CID): Key =>
    new Key(`/${base32upper.encoder.encode(cid.multihash.bytes)}`, false)
  return {
    put: ({ cid, bytes }) => Promise.resolve(store.put(key(cid), bytes)),
    putMany: async blocks => {
      const batch = store.batch()
      for (const { cid, bytes } of blocks) batch.put(key(cid), bytes)
      await batch.commit()
    },
    get: async cid => store.get(key(cid)),
    getMany: async cids => {
      let bytes = 0
      for await (const pair of store.getMany(cids.map(key))) bytes += pair.value.length
      return bytes
    },
    has: async cid => store.has(key(cid)),
    getAll: async () => {
      let count = 0
      for await (const pair of store.query({})) count += pair.value.length > 0 ? 1 : 0
      return count
    },
    close: () => store.close()
  }
}

type AnyBlockstore = Pick<
  MemoryBlockstore | FsBlockstore,
  'put' | 'putMany' | 'get' | 'getMany' | 'has' | 'getAll'
>

async function noClose(): Promise<void> {}

function overBlockstore(store: AnyBlockstore, close: () => Promise<void>): Contender {
  return {
    put: async ({ cid, bytes }) => store.put(cid, bytes),
    putMany: async blocks => {
      // eslint-disable-next-line @typescript-eslint/no-unused-vars
      for await (const _ of store.putMany(blocks as never)) continue
    },
    get: async cid => {
      for await (const chunk of store.get(cid)) return chunk
      throw new Error(`${cid.toString()} is missing`)
    },
    getMany: async cids => {
      let bytes = 0
      for await (const pair of store.getMany(cids)) bytes += await lengthOf(pair.bytes)
      return bytes
    },
    has: async cid => store.has(cid),
    getAll: async () => {
      let count = 0
      for await (const pair of store.getAll()) {
        await lengthOf(pair.bytes)
        count++
      }
      return count
    },
    close
  }
}

async function lengthOf(bytes: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<number> {
  let length = 0
  for await (const chunk of bytes) length += chunk.length
  return length
}
