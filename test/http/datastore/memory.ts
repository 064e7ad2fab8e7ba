import { MemoryBlockstore } from 'blockstore-core'
import { MemoryDatastore } from 'datastore-core'
import type { AbortOptions } from 'abort-error'
import type { Key, Pair } from 'interface-datastore'
import type { CID } from 'multiformats/cid'
import type { Blocks, Collected, Stores, Usage } from '../../../src/http/datastore/stores.ts'

/** The stores of a test: in memory, counting what reaches them, failing when told to. */
export class MemoryStores implements Stores {
  readonly blocks: Blocks & MemoryBlocks = new MemoryBlocks()
  readonly records = new OrderedDatastore()
  flushes = 0
  collected: Collected = { heldBytes: 0, snapshots: [] }
  maxBytes = 1_000_000_000

  async flush(): Promise<void> {
    this.flushes++
  }

  async usage(): Promise<Usage> {
    return { blockBytes: 300, recordBytes: 20, maxBytes: this.maxBytes }
  }

  async collect(): Promise<Collected> {
    return this.collected
  }
}

class MemoryBlocks extends MemoryBlockstore {
  /** Calls of deleteMany. */
  deleteBatches = 0

  async size(cid: CID, options?: AbortOptions): Promise<number | undefined> {
    if (!(await this.has(cid, options))) {
      return undefined
    }
    let bytes = 0
    for await (const piece of this.get(cid, options)) {
      bytes += piece.byteLength
    }
    return bytes
  }

  /** A copy: whoever gave the bytes uses their memory again. */
  override async put(...[cid, bytes, options]: Parameters<MemoryBlockstore['put']>): Promise<CID> {
    return super.put(cid, bytes instanceof Uint8Array ? bytes.slice() : bytes, options)
  }

  override async *deleteMany(
    ...args: Parameters<MemoryBlockstore['deleteMany']>
  ): AsyncGenerator<CID> {
    this.deleteBatches++
    yield* super.deleteMany(...args)
  }
}

/** Listed in the order of the keys, as a repo's records are. */
class OrderedDatastore extends MemoryDatastore {
  override *_all(...args: Parameters<MemoryDatastore['_all']>): Generator<Pair> {
    yield* sorted(super._all(...args) as Iterable<Pair>, ({ key }) => key)
  }

  override *_allKeys(...args: Parameters<MemoryDatastore['_allKeys']>): Generator<Key> {
    yield* sorted(super._allKeys(...args) as Iterable<Key>, key => key)
  }
}

function sorted<T>(list: Iterable<T>, keyOf: (item: T) => Key): T[] {
  return [...list].sort((a, b) => Buffer.compare(keyOf(a).uint8Array(), keyOf(b).uint8Array()))
}
