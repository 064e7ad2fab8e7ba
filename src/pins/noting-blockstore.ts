import type { AbortOptions } from 'abort-error'
import type { Blockstore, InputPair, Pair } from 'interface-blockstore'
import type { CID } from 'multiformats/cid'

/** Told of blocks together. */
const noteBlocks = 1024

type Pieces = Parameters<Blockstore['put']>[1]

/** A blockstore that tells what was stored in it, so that what is never pinned can be collected. */
export class NotingBlockstore implements Blockstore {
  readonly #store: Blockstore
  readonly #note: (cids: CID[]) => Promise<void>

  constructor(store: Blockstore, note: (cids: CID[]) => Promise<void>) {
    this.#store = store
    this.#note = note
  }

  async put(cid: CID, bytes: Pieces, options?: AbortOptions): Promise<CID> {
    await this.#store.put(cid, bytes, options)
    await this.#note([cid])
    return cid
  }

  async *putMany(
    source: Iterable<InputPair> | AsyncIterable<InputPair>,
    options?: AbortOptions
  ): AsyncGenerator<CID> {
    let stored: CID[] = []
    try {
      for await (const cid of this.#store.putMany(source, options)) {
        stored.push(cid)
        if (stored.length >= noteBlocks) {
          await this.#note(stored)
          stored = []
        }
        yield cid
      }
    } finally {
      await this.#note(stored)
    }
  }

  get(cid: CID, options?: AbortOptions): ReturnType<Blockstore['get']> {
    return this.#store.get(cid, options)
  }

  getMany(
    source: Iterable<CID> | AsyncIterable<CID>,
    options?: AbortOptions
  ): ReturnType<Blockstore['getMany']> {
    return this.#store.getMany(source, options)
  }

  getAll(options?: AbortOptions): AsyncGenerator<Pair> | Generator<Pair> {
    return this.#store.getAll(options) as AsyncGenerator<Pair>
  }

  has(cid: CID, options?: AbortOptions): ReturnType<Blockstore['has']> {
    return this.#store.has(cid, options)
  }

  delete(cid: CID, options?: AbortOptions): ReturnType<Blockstore['delete']> {
    return this.#store.delete(cid, options)
  }

  deleteMany(
    source: Iterable<CID> | AsyncIterable<CID>,
    options?: AbortOptions
  ): ReturnType<Blockstore['deleteMany']> {
    return this.#store.deleteMany(source, options)
  }
}
