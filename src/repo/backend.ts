import { CorruptError } from '../errors.ts'
import type { Native, Pool } from '../native.ts'
import type { Backend } from '../stores/backend.ts'
import { RecordsClient } from '../stores/records-client.ts'
import type { RepoConfig } from './config.ts'
import { datasetNames } from './layout.ts'
import { Reserve } from './reserve.ts'
import { decodeShardMap, encodeShardMap, type ShardMap } from './shard-map.ts'

const SHARD_MAP = 'shard-map'

/** What stands on the pool of an open repo, and where its blocks are. */
export interface OpenedBackend extends Backend {
  map: ShardMap
  indexMemoryBytes?: number
}

export interface BackendInit {
  /** Only for a repo that is being made. */
  initialMap?: ShardMap
  /** As in RepoInit. */
  indexMemoryBytes?: number
}

/** Of those who have an option of that name, or a backend opened with it. */
export function budgetOf({ indexMemoryBytes }: Pick<BackendInit, 'indexMemoryBytes'>): BackendInit {
  return indexMemoryBytes == null ? {} : { indexMemoryBytes }
}

/**
 * Opens the catalog's dataset, which says so when another process has it, then its databases, then
 * the shards that they name. The pool stays open on failure.
 */
export async function openBackend(
  native: Native,
  pool: Pool,
  { root }: RepoConfig,
  init: BackendInit
): Promise<OpenedBackend> {
  const names = datasetNames(root, 0)
  const { catalog } = names
  const digests = await native.openCatalog(pool, catalog)
  const undo = [() => digests.close()]
  try {
    const records = await RecordsClient.open({
      extension: native.sqliteExtension,
      catalogUri: `file:/${catalog}/catalog.db?vfs=ipfszfs`,
      recordsUri: `file:/${catalog}/records.db?vfs=ipfszfs`
    })
    undo.push(() => records.close())
    const text = await records.setting(
      SHARD_MAP,
      init.initialMap && encodeShardMap(init.initialMap)
    )
    if (text == null) {
      throw new CorruptError(`${catalog}/catalog.db has no shard map: roll back to a snapshot`)
    }
    const map = decodeShardMap(text)
    const { shards } = datasetNames(root, map.shards)
    const budget = budgetOf(init)
    const store = await native.openStore(pool, {
      shards,
      bucketShards: map.bucketShards,
      ...budget
    })
    undo.push(() => store.close())
    const reserve = new Reserve(pool, names.reserve, (await pool.status()).sizeBytes)
    // Fails while the pool is full; the next delete tries again.
    await reserve.restore().catch(() => {})
    return { pool, records, store, digests, reserve, map, ...budget }
  } catch (error) {
    for (const close of undo.reverse()) await close().catch(() => {})
    throw error
  }
}

/** Closes what stands on the pool, not the pool. Goes on after an error and throws the first. */
export async function closeStores({ store, digests, records }: Backend): Promise<void> {
  const outcomes = [
    await settled(store.close()),
    await settled(digests.close()),
    await settled(records.close())
  ]
  throwFirst(outcomes)
}

export async function closeBackend(backend: Backend): Promise<void> {
  const outcomes = [await settled(closeStores(backend)), await settled(backend.pool.close())]
  throwFirst(outcomes)
}

async function settled(work: Promise<void>): Promise<PromiseSettledResult<void>> {
  const [outcome] = await Promise.allSettled([work])
  return outcome
}

function throwFirst(outcomes: Array<PromiseSettledResult<void>>): void {
  const failed = outcomes.find(outcome => outcome.status === 'rejected')
  if (failed != null) {
    throw failed.reason
  }
}
