import type { AbortOptions } from 'abort-error'
import { Key } from 'interface-datastore'
import type { CID } from 'multiformats/cid'
import { NotFoundError } from '../../errors.ts'
import { MAX_BLOCK_BYTES } from '../../stores/blockstore.ts'
import { gather } from '../../stores/gather.ts'
import type { Operation } from './batch-format.ts'
import { RequestError } from './failure.ts'
import { blockOfKey, startsWith } from './keys.ts'
import type { Limits } from './limits.ts'
import { recordPrefix, type Namespace } from './namespaces.ts'
import type { Stores } from './stores.ts'

/** Where the value of a key is. */
export type Place = { block: CID } | { record: Key }

const BLOCKS = Buffer.from('/blocks')
const NONE = new Uint8Array(0)

/** One namespace over the stores: keys that name multihashes are blocks, all others records. */
export class Space {
  readonly namespace: Namespace
  /** What comes before `/CIQ…` in the key of a block; undefined: this one has no blocks. */
  readonly blockPrefix: Uint8Array | undefined
  readonly recordPrefix: Uint8Array
  readonly stores: Stores
  readonly #limits: Limits

  constructor(namespace: Namespace, stores: Stores, limits: Limits) {
    this.namespace = namespace
    this.blockPrefix =
      namespace.layout === 'records' ? undefined : namespace.layout === 'root' ? BLOCKS : NONE
    this.recordPrefix = Buffer.from(recordPrefix(namespace.name))
    this.stores = stores
    this.#limits = limits
  }

  place(key: Uint8Array): Place {
    const prefix = this.blockPrefix
    if (prefix != null && startsWith(key, prefix) && key[prefix.byteLength] === 0x2f) {
      const block = blockOfKey(key, prefix.byteLength + 1)
      if (block != null) {
        return { block }
      }
    }
    const bytes = new Uint8Array(this.recordPrefix.byteLength + key.byteLength)
    bytes.set(this.recordPrefix)
    bytes.set(key, this.recordPrefix.byteLength)
    return { record: new Key(bytes, false) }
  }

  /** The largest value that may be put at a place. */
  maxBytes(place: Place): number {
    return 'block' in place ? this.#limits.blockBytes : this.#limits.valueBytes
  }

  async get(place: Place, options?: AbortOptions): Promise<Uint8Array> {
    if ('record' in place) {
      return this.stores.records.get(place.record, options)
    }
    const { block } = place
    return gather(
      this.stores.blocks.get(block, options),
      MAX_BLOCK_BYTES,
      `block ${block.toString()}`
    )
  }

  /** Length of the value in bytes. */
  async size(place: Place, options?: AbortOptions): Promise<number> {
    if ('record' in place) {
      return (await this.stores.records.get(place.record, options)).byteLength
    }
    const size = await this.stores.blocks.size(place.block, options)
    if (size == null) {
      throw new NotFoundError(`block ${place.block.toString()} is not in this repo`)
    }
    return size
  }

  async put(place: Place, value: Uint8Array): Promise<void> {
    if ('record' in place) {
      await this.stores.records.put(place.record, value)
    } else {
      await this.stores.blocks.put(place.block, value)
    }
  }

  async delete(place: Place): Promise<void> {
    if ('record' in place) {
      await this.stores.records.delete(place.record)
    } else {
      await this.stores.blocks.delete(place.block)
    }
  }

  /**
   * Of several operations on one key the last counts. Blocks are put first, then the records are
   * changed in one transaction, then blocks are deleted: so no record ever refers to a block that
   * is not there, and when a step fails the records are as they were. Blocks put before that are
   * ones that nothing refers to, the same that an add leaves that was not finished.
   */
  async apply(operations: Operation[]): Promise<void> {
    const plan = this.#plan(operations)
    if (plan.puts.length > 0) {
      await drain(this.stores.blocks.putMany(plan.puts))
    }
    if (plan.records.length > 0) {
      const batch = this.stores.records.batch()
      for (const { key, value } of plan.records) {
        if (value == null) {
          batch.delete(key)
        } else {
          batch.put(key, value)
        }
      }
      await batch.commit()
    }
    if (plan.deletes.length > 0) {
      await drain(this.stores.blocks.deleteMany(plan.deletes))
    }
  }

  #plan(operations: Operation[]): Plan {
    const last = new Map<string, Operation>()
    for (const operation of operations) {
      last.set(Buffer.from(operation.key).toString('latin1'), operation)
    }
    const plan: Plan = { puts: [], deletes: [], records: [] }
    for (const { key, value } of last.values()) {
      const place = this.place(key)
      if (value != null && value.byteLength > this.maxBytes(place)) {
        const what = `${Buffer.from(key).toString()} has ${value.byteLength} bytes`
        const most = `at most ${this.maxBytes(place)} are stored`
        throw new RequestError(413, 'ERR_TOO_LARGE', `the value of ${what}; ${most}`)
      }
      if ('record' in place) {
        plan.records.push(value == null ? { key: place.record } : { key: place.record, value })
      } else if (value == null) {
        plan.deletes.push(place.block)
      } else {
        plan.puts.push({ cid: place.block, bytes: value })
      }
    }
    return plan
  }
}

interface Plan {
  puts: Array<{ cid: CID; bytes: Uint8Array }>
  deletes: CID[]
  records: Array<{ key: Key; value?: Uint8Array }>
}

/** A store works as its results are taken. */
async function drain(results: AsyncGenerator<unknown> | Generator<unknown>): Promise<void> {
  while ((await results.next()).done !== true);
}
