import { ClosedError } from '../../errors.ts'
import type { Logger } from 'pino'
import type { Pins } from '../../pins/pins.ts'
import type { Repo } from '../../repo/types.ts'
import { guardedBlocks } from './guarded-blocks.ts'
import type { Blocks, Collected, Stores, Usage } from './stores.ts'

/** So old may a figure be: asking the pool costs more than answering. */
const USAGE_MS = 1000

/** A repo as the remote datastore uses it: puts are acknowledged at once, `flush` waits for disk. */
export class RepoStores implements Stores {
  readonly blocks: Blocks
  readonly records: Stores['records']
  readonly #repo: Repo
  readonly #log: Pick<Logger, 'error'>
  #usage: { at: number; figures: Promise<Usage> } | undefined

  #compacting: Promise<unknown> | undefined

  /** @param pins those of this repo: a block that they cover is not deleted */
  constructor(repo: Repo, pins: Pick<Pins, 'deleteFree'>, log: Pick<Logger, 'error'>) {
    this.#repo = repo
    this.#log = log
    const { blockstore, datastore } = repo.withDurability('flush')
    this.blocks = guardedBlocks(blockstore, pins)
    this.records = datastore
  }

  async flush(): Promise<void> {
    await this.#repo.flush()
  }

  async usage(): Promise<Usage> {
    const now = performance.now()
    if (this.#usage == null || now - this.#usage.at > USAGE_MS) {
      const figures = this.#ask()
      this.#usage = { at: now, figures }
      figures.catch(() => (this.#usage = undefined))
    }
    return this.#usage.figures
  }

  async collect(): Promise<Collected> {
    this.#compact()
    await this.#repo.flush()
    const { datasets } = await this.#repo.stat()
    let heldBytes = 0
    for (const { name, usedBytes, referencedBytes } of datasets) {
      // What a dataset without children uses and does not refer to is in its snapshots only.
      heldBytes += isShard(name) ? Math.max(0, usedBytes - referencedBytes) : 0
    }
    const snapshots = (await this.#repo.snapshots.list()).map(({ name, created, usedBytes }) => ({
      name,
      created,
      usedBytes
    }))
    return { heldBytes, snapshots }
  }

  /** In the background, because Kubo's collector waits, and holds up adds meanwhile. */
  #compact(): void {
    this.#compacting ??= this.#repo
      .compact()
      .catch((error: unknown) => {
        if (!(error instanceof ClosedError)) {
          this.#log.error({ err: error }, 'giving back the space of packs failed')
        }
      })
      .finally(() => (this.#compacting = undefined))
  }

  async #ask(): Promise<Usage> {
    const { datasets, allocatedBytes } = await this.#repo.stat()
    let blockBytes = 0
    let recordBytes = 0
    let maxBytes = 0
    for (const { name, usedBytes, availableBytes } of datasets) {
      if (isShard(name)) {
        blockBytes += usedBytes
      } else if (name.endsWith('/catalog')) {
        recordBytes += usedBytes
      }
      maxBytes = Math.max(maxBytes, availableBytes + allocatedBytes)
    }
    return { blockBytes, recordBytes, maxBytes }
  }
}

function isShard(name: string): boolean {
  return /\/shard-\d+$/.test(name)
}
