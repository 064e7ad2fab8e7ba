import { NoSpaceError } from '../errors.ts'
import { keyBytes, type ApplyOptions } from '../pins/catalog.ts'
import type { CatalogChange, CatalogPage, Family, PinCatalog } from '../pins/catalog.ts'
import type { Native } from '../native.ts'
import type { Backend } from '../stores/backend.ts'
import type { Gate } from '../stores/gate.ts'
import { SyncGroup } from '../stores/sync-group.ts'

/** Asked in one native call. */
const batchBytes = 65_536 * keyBytes
/** Of all families together: shorter ones are not worth writing out. */
const longLogBytes = 1024 * 1024

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

  async apply(changes: CatalogChange[], { freeing = false }: ApplyOptions = {}): Promise<void> {
    try {
      await this.#gate.run(async ({ digests }) => digests.apply(changes, freeing, 'flush'))
      return
    } catch (error) {
      if (!(error instanceof NoSpaceError)) throw error
      const hasRoom = await this.#shortenLogs()
      if (!hasRoom && !freeing) throw error
    }
    await this.#gate.run(async ({ digests, reserve }) => {
      const apply = async () => digests.apply(changes, freeing, 'flush')
      await (freeing ? reserve.lend(apply) : apply())
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

  /**
   * Logs keep every change, also those that later ones have undone, as of pins that found no room:
   * on a small pool that may be all there is. True: there may be room now.
   */
  async #shortenLogs(): Promise<boolean> {
    const shortened = await this.#gate.run(async ({ digests, reserve }) => {
      const areLong = () => digests.logBytes() >= longLogBytes
      if (!areLong()) return false
      return reserve.lend(async () => {
        // somebody else may have waited for the same
        if (!areLong()) return true
        return digests.writeOut().then(() => true, orNoRoom)
      })
    })
    // what was deleted is free when that is on disk
    if (shortened) await this.flush()
    return shortened
  }
}

/** At a quota of the catalog's own the reserve is of no use. */
function orNoRoom(error: unknown): false {
  if (error instanceof NoSpaceError) return false
  throw error
}
