import type { Pool } from '../native.ts'

const MIB = 1024 * 1024

/**
 * Room that nothing may take, so that a full pool is not stuck: deleting writes too (a log, an
 * index), and gives space back only after. An empty dataset holds it, as administrators of ZFS do;
 * it is lent to a delete that found no room.
 */
export class Reserve {
  readonly #pool: Pool
  readonly #dataset: string
  readonly #bytes: number
  #borrowers: Promise<unknown> = Promise.resolve()

  constructor(pool: Pool, dataset: string, poolBytes: number) {
    this.#pool = pool
    this.#dataset = dataset
    this.#bytes = reserveBytes(poolBytes)
  }

  /** One at a time: runs `work` with the room let go, and takes it back after, if it is there. */
  async lend<T>(work: () => Promise<T>): Promise<T> {
    const lent = this.#borrowers.then(async () => {
      await this.#pool.setProperties(this.#dataset, { reservation: 'none' })
      try {
        return await work()
      } finally {
        await this.#takeBack()
      }
    })
    this.#borrowers = lent.catch(() => {})
    return lent
  }

  /** Without effect while the pool is too full: the next delete tries again, and the next open. */
  async #takeBack(): Promise<void> {
    await this.restore().catch(() => {})
  }

  async restore(): Promise<void> {
    await this.#pool.setProperties(this.#dataset, { reservation: String(this.#bytes) })
  }
}

/**
 * A 64th of the pool, from 4 to 32 MiB. ZFS admits a write only where 24 times its records would
 * fit (the worst that layout, copies and metadata could come to), so 1 MiB would let nothing in.
 */
function reserveBytes(poolBytes: number): number {
  return Math.min(32 * MIB, Math.max(4 * MIB, Math.floor(poolBytes / 64)))
}
