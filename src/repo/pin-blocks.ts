import { NoSpaceError } from '../errors.ts'
import type { GotBlock, RemovedBlocks } from '../native.ts'
import type { PinBlocks } from '../pins/blocks.ts'
import { keyBytes, packKeys } from '../pins/catalog.ts'
import { blockKey } from '../pins/node.ts'
import type { Backend } from '../stores/backend.ts'
import type { Gate } from '../stores/gate.ts'

/** Asked in one native call. */
const batchBytes = 65_536 * keyBytes

/** The blocks of a repo by key. */
export class RepoPinBlocks implements PinBlocks {
  readonly #gate: Gate<Backend>

  constructor(gate: Gate<Backend>) {
    this.#gate = gate
  }

  async sizes(keys: Uint8Array): Promise<Float64Array> {
    return this.#gate.run(async ({ store }) => {
      if (keys.length <= batchBytes) return store.sizesOfKeys(keys)
      const sizes = new Float64Array(keys.length / keyBytes)
      for (let at = 0; at < keys.length; at += batchBytes) {
        sizes.set(await store.sizesOfKeys(keys.subarray(at, at + batchBytes)), at / keyBytes)
      }
      return sizes
    })
  }

  async read(keys: Uint8Array): Promise<GotBlock[]> {
    return this.#gate.run(async ({ store }) => store.getKeys(keys))
  }

  async remove(keys: Uint8Array): Promise<RemovedBlocks> {
    return this.#gate.run(async ({ store, reserve }) => {
      const remove = async () => store.removeKeys(keys, 'flush')
      try {
        return await remove()
      } catch (error) {
        if (!(error instanceof NoSpaceError)) throw error
        return reserve.lend(remove)
      }
    })
  }

  async scan(
    from: Uint8Array | undefined,
    limit: number
  ): Promise<{ keys: Uint8Array; next?: Uint8Array }> {
    const page = await this.#gate.run(async ({ store }) => store.scan(from, limit))
    // one that is damaged and uncommon has no multihash here: nobody can delete it by name either
    const keys = packKeys(page.multihashes.filter(({ length }) => length > 0).map(blockKey))
    return { keys, ...(page.next != null && { next: page.next }) }
  }

  async flush(): Promise<void> {
    await this.#gate.run(async ({ store }) => store.flush())
  }
}
