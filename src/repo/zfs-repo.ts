import type { AbortOptions } from 'abort-error'
import { NoSpaceError } from '../errors.ts'
import type { Durability, Native } from '../native.ts'
import type { PinBlocks } from '../pins/blocks.ts'
import type { PinCatalog } from '../pins/catalog.ts'
import { orAbort } from '../stores/abort.ts'
import type { StoreAround } from '../stores/backend.ts'
import { ZfsBlockstore } from '../stores/blockstore.ts'
import { ZfsDatastore } from '../stores/datastore.ts'
import { Gate } from '../stores/gate.ts'
import { closeBackend, type OpenedBackend } from './backend.ts'
import type { RepoConfig } from './config.ts'
import { Datasets } from './datasets.ts'
import { IndexAdmin } from './index-admin.ts'
import { RepoPinBlocks } from './pin-blocks.ts'
import { RepoCatalog } from './repo-catalog.ts'
import { Snapshots } from './snapshots.ts'
import type {
  Repo,
  RepoIndex,
  RepoSnapshots,
  RepoStat,
  RepoZfs,
  VerifyOptions,
  VerifyReport
} from './types.ts'
import { verifyRepo } from './verify.ts'

/** One open repo. Made by openRepo only. */
export class ZfsRepo implements Repo {
  readonly path: string
  readonly blockstore: ZfsBlockstore
  readonly datastore: ZfsDatastore
  readonly snapshots: RepoSnapshots
  readonly zfs: RepoZfs
  readonly catalog: PinCatalog
  readonly pinBlocks: PinBlocks
  readonly index: RepoIndex
  readonly #native: Native
  readonly #durability: Durability
  readonly #root: string
  readonly #gate: Gate<OpenedBackend>
  readonly #letGo: () => void
  #closing: Promise<void> | undefined

  constructor(
    native: Native,
    folder: string,
    durability: Durability,
    { config, backend }: { config: RepoConfig; backend: OpenedBackend },
    letGo: () => void
  ) {
    this.path = folder
    this.#native = native
    this.#durability = durability
    this.#root = config.root
    this.#letGo = letGo
    this.#gate = new Gate(`the repo at ${folder}`, backend)
    const stores = this.withDurability(durability)
    this.blockstore = stores.blockstore
    this.datastore = stores.datastore
    this.catalog = new RepoCatalog(this.#gate, native)
    this.pinBlocks = new RepoPinBlocks(this.#gate)
    this.index = new IndexAdmin(this.#gate)
    this.snapshots = new Snapshots(native, folder, config, this.#gate)
    this.zfs = new Datasets(config.root, this.#gate)
  }

  withDurability(durability: Durability): Pick<Repo, 'blockstore' | 'datastore'> {
    const context = { native: this.#native, durability }
    return {
      blockstore: new ZfsBlockstore(this.#gate, context),
      datastore: new ZfsDatastore(this.#gate, context)
    }
  }

  blocksWithin(around: StoreAround): ZfsBlockstore {
    const context = { native: this.#native, durability: this.#durability, around }
    return new ZfsBlockstore(this.#gate, context)
  }

  async stat({ signal }: AbortOptions = {}): Promise<RepoStat> {
    signal?.throwIfAborted()
    const asked = this.#gate.run(async ({ pool, store, records }) =>
      Promise.all([store.stats(), pool.status(), pool.listDatasets(this.#root), records.count()])
    )
    const [stats, pool, datasets, count] = await orAbort(asked, signal)
    return {
      ...stats,
      path: this.path,
      allocatedBytes: pool.allocatedBytes,
      maxBytes: pool.sizeBytes,
      records: count,
      pool,
      datasets
    }
  }

  async verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    return verifyRepo(this.#gate, this.#root, options)
  }

  async compact({ signal }: AbortOptions = {}): Promise<number> {
    let total = 0
    signal?.throwIfAborted()
    await orAbort(
      this.#gate.run(async ({ records }) => records.shrink()),
      signal
    )
    for (;;) {
      signal?.throwIfAborted()
      const step = this.#gate.run(compactStep)
      const bytes = await orAbort(step, signal)
      if (bytes === 0) {
        return total
      }
      total += bytes
    }
  }

  async flush({ signal }: AbortOptions = {}): Promise<void> {
    signal?.throwIfAborted()
    const flushed = this.#gate.run(async ({ pool, store }) => {
      await store.flush()
      await this.#native.syncPool(pool)
    })
    await orAbort(flushed, signal)
  }

  /** Waits for work in flight, then closes stores, databases and pool. Idempotent. */
  async close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const backend = await this.#gate.close()
    try {
      if (backend != null) {
        await closeBackend(backend)
      }
    } finally {
      this.#letGo()
    }
  }
}

/** Moves what is live out of a pack before the pack goes: on a full pool, into the reserve. */
async function compactStep({ store, reserve }: OpenedBackend): Promise<number> {
  try {
    return await store.compactStep()
  } catch (error) {
    if (!(error instanceof NoSpaceError)) {
      throw error
    }
    return reserve.lend(async () => store.compactStep())
  }
}
