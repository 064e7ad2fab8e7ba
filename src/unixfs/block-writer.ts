import type { AbortOptions } from 'abort-error'
import type { Blockstore, InputPair } from 'interface-blockstore'
import type { CID } from 'multiformats/cid'
import { identityCode } from './hashers.ts'

/** So large that a transaction group carries many blocks, so small that it is cheap to hold. */
const batchBytes = 8 * 1024 * 1024
const batchBlocks = 4096
/** While one batch is on its way to disk the next is filled, and one may wait. */
const batchesInFlight = 2

type PutMany = Pick<Blockstore, 'putMany'>

/**
 * Gathers blocks into batches for `putMany`. `put` waits when enough batches are under way, so a
 * fast source does not fill memory; nothing is acknowledged before `flush` returns.
 */
export class BlockWriter {
  readonly #store: PutMany
  readonly #options: AbortOptions
  readonly #onStored: ((cids: CID[]) => void) | undefined
  #batch: InputPair[] = []
  #bytes = 0
  #underWay: Array<Promise<void>> = []
  #failure: { error: unknown } | undefined

  constructor(store: PutMany, options: AbortOptions = {}, onStored?: (cids: CID[]) => void) {
    this.#store = store
    this.#options = options
    this.#onStored = onStored
  }

  async put(cid: CID, bytes: Uint8Array): Promise<void> {
    if (this.#failure != null) throw this.#failure.error
    if (cid.multihash.code === identityCode) return
    this.#batch.push({ cid, bytes })
    this.#bytes += bytes.byteLength
    if (this.#bytes >= batchBytes || this.#batch.length >= batchBlocks) await this.#send()
  }

  /** Returns once every block is acknowledged by the store. */
  async flush(): Promise<void> {
    if (this.#batch.length > 0) await this.#send()
    await Promise.all(this.#underWay)
    if (this.#failure != null) throw this.#failure.error
  }

  async #send(): Promise<void> {
    const batch = this.#batch
    this.#batch = []
    this.#bytes = 0
    while (this.#underWay.length >= batchesInFlight) await this.#underWay[0]
    if (this.#failure != null) throw this.#failure.error
    this.#options.signal?.throwIfAborted()
    const sent = this.#putBatch(batch).finally(() => {
      this.#underWay = this.#underWay.filter(other => other !== sent)
    })
    this.#underWay.push(sent)
  }

  /** Never rejects: the failure is thrown by the next call of the writer's owner. */
  async #putBatch(batch: InputPair[]): Promise<void> {
    try {
      const stored: CID[] = []
      for await (const cid of this.#store.putMany(batch, this.#options)) stored.push(cid)
      this.#onStored?.(stored)
    } catch (error) {
      this.#failure ??= { error }
    }
  }
}
