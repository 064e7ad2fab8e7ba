import { setTimeout as sleep } from 'node:timers/promises'
import type { AbortOptions } from 'abort-error'
import type { Blockstore } from 'interface-blockstore'
import type { CID } from 'multiformats/cid'
import type { RpcAddress } from '../client/address.ts'
import { RpcConnectionError } from '../client/errors.ts'
import { RpcClient } from '../client/rpc.ts'
import { MAX_BLOCK_BYTES } from '../stores/blockstore.ts'
import { gather } from '../stores/gather.ts'
import { verifyBlock } from '../stores/verify-block.ts'
import { isNotFound } from './blocks.ts'

/** Between attempts to reach Kubo: one that is restarted is back within these, together 7.5 s. */
const pausesMs = [500, 1000, 2000, 4000]

type Around = (cid: CID, ask: () => Promise<unknown>) => Promise<unknown>

/**
 * Fetches over a Kubo. One that keeps its blocks in this repo stores what it finds here itself; from
 * any other the block is taken, checked and stored. It is not asked to pin.
 */
export class KuboFetch {
  readonly #rpc: RpcClient
  readonly #store: Blockstore
  readonly #around: Around

  /** @param around runs what lets Kubo put a block into this repo's store past `store` */
  constructor(kubo: RpcAddress, store: Blockstore, around: Around) {
    this.#rpc = new RpcClient(kubo)
    this.#store = store
    this.#around = around
  }

  /**
   * Waits until Kubo has the block, or the signal aborts. RpcConnectionError: Kubo cannot be reached,
   * or breaks off, for longer than it takes to restart it. RpcError: what Kubo refused.
   */
  async fetch(cid: CID, options: AbortOptions): Promise<Uint8Array> {
    for (const pauseMs of pausesMs) {
      try {
        return await this.#fetchOnce(cid, options)
      } catch (error) {
        options.signal?.throwIfAborted()
        if (!(error instanceof RpcConnectionError)) throw error
      }
      await sleep(pauseMs, undefined, { signal: options.signal })
    }
    return this.#fetchOnce(cid, options)
  }

  async #fetchOnce(cid: CID, options: AbortOptions): Promise<Uint8Array> {
    const request = { args: [cid.toString()], ...(options.signal && { signal: options.signal }) }
    await this.#around(cid, async () => this.#rpc.json('block/stat', request))
    try {
      return await this.#stored(cid, options)
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
    const answer = await this.#rpc.open('block/get', request)
    const block = await gather(answer.bytes(), MAX_BLOCK_BYTES, `block ${cid.toString()}`)
    verifyBlock(cid, block)
    await this.#store.put(cid, block, options)
    return block
  }

  async #stored(cid: CID, options: AbortOptions): Promise<Uint8Array> {
    return gather(this.#store.get(cid, options), MAX_BLOCK_BYTES, `block ${cid.toString()}`)
  }
}
