import { MemoryBlockstore } from 'blockstore-core'
import { MemoryDatastore } from 'datastore-core'
import type { Blockstore } from 'interface-blockstore'
import type { CID } from 'multiformats/cid'
import { NotFoundError } from '../../src/errors.ts'
import { MemoryBlocks } from '../pins/memory-blocks.ts'
import { MemoryCatalog } from '../pins/memory-catalog.ts'
import type { StoreAround } from '../../src/stores/backend.ts'
import type { Repo, RepoSnapshot, RepoStat } from '../../src/repo/types.ts'

class SizedBlockstore extends MemoryBlockstore {
  async size(cid: CID): Promise<number | undefined> {
    if (!this.has(cid)) return undefined
    let size = 0
    for await (const piece of this.get(cid)) size += piece.byteLength
    return size
  }
}

/** The same blocks, put by `around`, one by one. */
function within(blockstore: SizedBlockstore, around: StoreAround): SizedBlockstore {
  const put: Blockstore['put'] = async (cid, bytes, options) => {
    await around(
      [cid.multihash.bytes],
      async () => void (await blockstore.put(cid, bytes, options))
    )
    return cid
  }
  return Object.assign(Object.create(blockstore) as SizedBlockstore, { put })
}

/** A repo in memory: what the servers need of one, without ZFS below. */
export function memoryRepo(path = '/memory'): Repo {
  const blockstore = new SizedBlockstore()
  const snapshots = new Map<string, RepoSnapshot>()
  const count = async () => {
    let blocks = 0
    let blockBytes = 0
    for await (const { bytes } of blockstore.getAll()) {
      blocks++
      for await (const piece of bytes) blockBytes += piece.byteLength
    }
    return { blocks, blockBytes }
  }
  const repo = {
    path,
    blockstore,
    datastore: new MemoryDatastore(),
    catalog: new MemoryCatalog(),
    pinBlocks: new MemoryBlocks(blockstore),
    blocksWithin: (around: StoreAround) => within(blockstore, around),
    snapshots: {
      create: async (name = 'now') => {
        const made = { name, created: new Date(0), usedBytes: 1, referencedBytes: 2 }
        snapshots.set(name, made)
        return made
      },
      list: async () => [...snapshots.values()],
      rollback: async (name: string) => {
        if (!snapshots.has(name)) throw new NotFoundError(`no snapshot ${name}`)
      },
      destroy: async (name: string) => {
        if (!snapshots.delete(name)) throw new NotFoundError(`no snapshot ${name}`)
      }
    },
    stat: async () => {
      const { blocks, blockBytes } = await count()
      const sizes = { allocatedBytes: blockBytes, maxBytes: 1_000_000, records: 0 }
      const datasets = [{ name: 'memory', availableBytes: 1_000_000 - blockBytes }]
      return { path, blocks, blockBytes, ...sizes, datasets } as RepoStat
    },
    verify: async () => {
      const { blocks } = await count()
      const none = { byPointer: 0, byHash: blocks, unhashed: 0, bad: [], faults: [] }
      return { blocks, ...none, ok: true }
    },
    compact: async () => 0,
    flush: async () => {},
    close: async () => {}
  }
  // the stores are the interfaces' plain ones, not this project's classes
  return repo as unknown as Repo
}
