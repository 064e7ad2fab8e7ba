import { NoSpaceError } from '../errors.ts'
import { keyBytes, type ApplyOptions } from '../pins/catalog.ts'
import type { CatalogChange, CatalogPage, Family, PinCatalog } from '../pins/catalog.ts'
import type { Native } from '../native.ts'
import type { Backend } from '../stores/backend.ts'
import type { Gate } from '../stores/gate.ts'
import { SyncGroup } from '../stores/sync-group.ts'

/** Asked in one native call. */
const batchBytes = 65_536 * keyBytes

/** The catalog of an open repo. */
export class RepoCatalog implements PinCatalog {
  readonly #gate: Gate<Backend>
  readonly #syncs: SyncGroup

  constructor(gate: Gate<Backend>, native: Pick<Native, 'syncPool'>) {
    this.#gate = gate
    this.#syncs = new SyncGroup(async () => gate.run(async ({ pool }) => native.syncPool(pool)))
  }

  async get(family: Family, keys: Uint8Array): Promise<Float64Array> {
    return this.#gate.run(async ({ digests }) => {
      if (keys.length <= batchBytes) return digests.get(family, keys)
      const values = new Float64Array(keys.length / keyBytes)
      for (let at = 0; at < keys.length; at += batchBytes) {
        const some = await digests.get(family, keys.subarray(at, at + batchBytes))
        values.set(some, at / keyBytes)
      }
      return values
    })
  }

  async alive(blocks: Uint8Array): Promise<Uint8Array> {
    return this.#gate.run(async ({ digests }) => digests.alive(blocks))
  }

  async apply(changes: CatalogChange[], options: ApplyOptions = {}): Promise<void> {
    const { freeing = false } = options
    await this.#gate.run(async ({ digests, reserve }) => {
      const apply = async () => digests.apply(changes, freeing, 'flush')
      try {
        await apply()
      } catch (error) {
        if (!freeing || !(error instanceof NoSpaceError)) throw error
        await reserve.lend(apply)
      }
    })
  }

  async scan(family: Family, from: Uint8Array | undefined, limit: number): Promise<CatalogPage> {
    return this.#gate.run(async ({ digests }) => digests.scan(family, from, limit))
  }

  async flush(): Promise<void> {
    await this.#syncs.wait()
  }

  async count(family: Family): Promise<number> {
    return this.#gate.run(async ({ digests }) => digests.count(family))
  }
}
