import type { AbortOptions } from 'abort-error'
import type { Blockstore } from 'interface-blockstore'
import type { CID } from 'multiformats/cid'
import type { GetBlock } from '../unixfs/blocks.ts'
import { identityCode } from '../unixfs/hashers.ts'

export interface ReadOptions extends AbortOptions {
  /** Never ask the network. */
  offline?: boolean
}

/** Kubo's words, so that its clients recognise them. */
export class BlockMissingError extends Error {
  override readonly name = 'BlockMissingError'

  constructor(cid: CID) {
    super(`block was not found locally (offline): ipld: could not find ${String(cid)}`)
  }
}

/** Fetches a block that is not here, checks it, and stores it. */
export type FetchBlock = (cid: CID, options: AbortOptions) => Promise<Uint8Array>

/** The blocks of this node: those in the store, and those that a connected peer can give. */
export class Blocks {
  readonly store: Blockstore
  readonly #fetch: FetchBlock | undefined

  constructor(store: Blockstore, fetch?: FetchBlock) {
    this.store = store
    this.#fetch = fetch
  }

  /** Waits until someone has the block when the node is online; abort the signal to give up. */
  async get(cid: CID, options: ReadOptions = {}): Promise<Uint8Array> {
    const local = await this.getLocal(cid, options)
    if (local != null) return local
    if (options.offline === true || this.#fetch == null) throw new BlockMissingError(cid)
    return this.#fetch(cid, options.signal == null ? {} : { signal: options.signal })
  }

  async getLocal(cid: CID, options: AbortOptions = {}): Promise<Uint8Array | undefined> {
    if (cid.multihash.code === identityCode) return cid.multihash.digest
    try {
      const pieces: Uint8Array[] = []
      for await (const piece of this.store.get(cid, options)) pieces.push(piece)
      return pieces.length === 1 ? pieces[0] : Buffer.concat(pieces)
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }

  async has(cid: CID, options: AbortOptions = {}): Promise<boolean> {
    return cid.multihash.code === identityCode || this.store.has(cid, options)
  }

  reader(options: ReadOptions = {}): GetBlock {
    return cid => this.get(cid, options)
  }
}

/** Our own class, and the one of the JavaScript stores. */
export function isNotFound(error: unknown): boolean {
  return error instanceof Error && error.name === 'NotFoundError'
}
