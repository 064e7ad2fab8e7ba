import { NoSpaceError } from '../errors.ts'
import type { GotBlock } from '../native.ts'
import type { PinBlocks } from '../pins/blocks.ts'
import { keyAt, keyBytes, packKeys } from '../pins/catalog.ts'
import { blockKey, isSha256, sha256Multihash } from '../pins/node.ts'
import type { Backend } from '../stores/backend.ts'
import { MAX_MULTIHASH_BYTES } from '../stores/blockstore.ts'
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
      const sizes = await sizesOf(store, keys)
      for (const [index, multihash] of await this.#foreign(keys, i => (sizes[i] ?? -1) < 0)) {
        sizes[index] = (await store.sizes([multihash]))[0] ?? -1
      }
      return sizes
    })
  }

  async read(keys: Uint8Array): Promise<GotBlock[]> {
    return this.#gate.run(async ({ store }) => {
      const blocks = await store.getDigests(keys)
      for (const [index, multihash] of await this.#foreign(keys, i => blocks[i] == null)) {
        blocks[index] = (await store.get([multihash]))[0]
      }
      return blocks
    })
  }

  async remove(multihashes: Uint8Array[]): Promise<void> {
    const storable = multihashes.filter(({ length }) => length <= MAX_MULTIHASH_BYTES)
    await this.#gate.run(async ({ store, reserve }) => {
      try {
        await store.remove(storable, 'flush')
      } catch (error) {
        if (!(error instanceof NoSpaceError)) throw error
        await reserve.lend(async () => store.remove(storable, 'flush'))
      }
    })
  }

  async multihashes(keys: Uint8Array): Promise<Array<Uint8Array | undefined>> {
    return this.#gate.run(async ({ store }) => {
      const all: Array<Uint8Array | undefined> = asSha256(keys)
      const sizes = await sizesOf(store, keys)
      const foreign = await this.#foreign(keys, i => (sizes[i] ?? -1) < 0)
      for (let i = 0; i < all.length; i++) if ((sizes[i] ?? -1) < 0) all[i] = foreign.get(i)
      return all
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

  /** Keys that are not sha2-256 digests: the store has the multihash beside the block. */
  async #foreign(
    keys: Uint8Array,
    isMissing: (index: number) => boolean
  ): Promise<Map<number, Uint8Array>> {
    const found = new Map<number, Uint8Array>()
    for (let i = 0; i < keys.length / keyBytes; i++) {
      if (!isMissing(i)) continue
      const key = keyAt(keys, i)
      const { multihashes } = await this.#gate.subject.store.scan(key, 1)
      const multihash = multihashes[0]
      if (multihash == null || multihash.length === 0 || isSha256(multihash)) continue
      if (Buffer.compare(blockKey(multihash), key) === 0) found.set(i, multihash)
    }
    return found
  }
}

async function sizesOf(store: Backend['store'], keys: Uint8Array): Promise<Float64Array> {
  if (keys.length <= batchBytes) return store.sizesOfDigests(keys)
  const sizes = new Float64Array(keys.length / keyBytes)
  for (let at = 0; at < keys.length; at += batchBytes) {
    sizes.set(await store.sizesOfDigests(keys.subarray(at, at + batchBytes)), at / keyBytes)
  }
  return sizes
}

function asSha256(keys: Uint8Array): Uint8Array[] {
  return Array.from({ length: keys.length / keyBytes }, (_, i) => sha256Multihash(keyAt(keys, i)))
}
