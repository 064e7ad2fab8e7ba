import { keyAt, keyBytes, keyText, packKeys, type PinCatalog } from './catalog.ts'
import { looseValue, nowSeconds } from './loose.ts'
import { blockKey } from './node.ts'
import { SharedLock } from './shared-lock.ts'

/**
 * Blocks on their way into the store. Each is noted as loose before it is stored, so that a
 * collection finds it whenever the process ends, and the collection leaves it alone until it is.
 */
export class Arrivals {
  readonly #catalog: PinCatalog
  readonly #underWay = new Set<Uint8Array>()
  /** Shared while a note is written, alone while the queue of loose blocks is emptied. */
  readonly #queue = new SharedLock()

  constructor(catalog: PinCatalog) {
    this.#catalog = catalog
  }

  /** Notes the blocks, then runs `store`. NoSpaceError, and nothing is stored: there is no room. */
  async during<T>(multihashes: Uint8Array[], store: () => Promise<T>): Promise<T> {
    const keys = packKeys(multihashes.map(blockKey))
    this.#underWay.add(keys)
    try {
      await this.note(keys)
      return await store()
    } finally {
      this.#underWay.delete(keys)
    }
  }

  /** Blocks that are here: unless something keeps them, the next collection deletes them. */
  async note(keys: Uint8Array): Promise<void> {
    const different = new Map<string, Uint8Array>()
    for (let i = 0; i < keys.length / keyBytes; i++) {
      const key = keyAt(keys, i)
      different.set(keyText(key), key)
    }
    const values = new Float64Array(different.size).fill(looseValue(nowSeconds(), false))
    const note = { family: 'loose', keys: packKeys([...different.values()]), values } as const
    await this.#queue.shared(async () => this.#catalog.apply([note]))
  }

  /** Runs `sweep` while no note is written, and tells it which blocks are on their way. */
  async pause<T>(sweep: (arriving: ReadonlySet<string>) => Promise<T>): Promise<T> {
    return this.#queue.alone(async () => {
      // one that comes later waits with its note until the sweep is over, and is stored after that
      const arriving = new Set<string>()
      for (const keys of this.#underWay) {
        for (let i = 0; i < keys.length / keyBytes; i++) arriving.add(keyText(keyAt(keys, i)))
      }
      return sweep(arriving)
    })
  }
}
