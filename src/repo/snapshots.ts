import type { AbortOptions } from 'abort-error'
import { BusyError, ExistsError, InvalidParametersError, NotFoundError } from '../errors.ts'
import type { DatasetStatus, Native, Pool } from '../native.ts'
import { orAbort } from '../stores/abort.ts'
import type { Gate } from '../stores/gate.ts'
import { budgetOf, closeStores, openBackend, type OpenedBackend } from './backend.ts'
import { writeConfig, type RepoConfig } from './config.ts'
import { datasetNames } from './layout.ts'
import type { RepoSnapshot, RepoSnapshots } from './types.ts'

/** As ZFS allows, without "%", which it uses for its own; short enough below our dataset names. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$/

/** Snapshots of root dataset, catalog and shards under one name, in one transaction group. */
export class Snapshots implements RepoSnapshots {
  readonly #native: Native
  readonly #folder: string
  readonly #config: RepoConfig
  readonly #gate: Gate<OpenedBackend>

  constructor(native: Native, folder: string, config: RepoConfig, gate: Gate<OpenedBackend>) {
    this.#native = native
    this.#folder = folder
    this.#config = config
    this.#gate = gate
  }

  /**
   * Holds all that was acknowledged before the call; of what is being written, each batch whole or
   * not at all. SQLite's files would be consistent at any moment (see records-db.ts); its log is
   * moved into them first, so that whoever mounts the snapshot has less to recover.
   */
  async create(name = defaultName(), { signal }: AbortOptions = {}): Promise<RepoSnapshot> {
    checkName(name)
    signal?.throwIfAborted()
    const made = this.#gate.run(async ({ pool, records, map }) => {
      const group = await this.#find(pool, name)
      if (group.length > 0) {
        throw new ExistsError(`the repo has a snapshot ${name} already: choose another name`)
      }
      await records.checkpoint()
      await pool.snapshot(this.#datasets(map.shards).map(dataset => `${dataset}@${name}`))
      return repoSnapshot(name, await this.#find(pool, name))
    })
    return orAbort(made, signal)
  }

  /** Oldest first. Snapshots that others made of single datasets are not the repo's. */
  async list({ signal }: AbortOptions = {}): Promise<RepoSnapshot[]> {
    signal?.throwIfAborted()
    const listed = this.#gate.run(async ({ pool, map }) => {
      const groups = Map.groupBy(await pool.listSnapshots(this.#config.root), nameOf)
      return [...groups]
        .filter(([, group]) => group.length >= this.#datasets(map.shards).length)
        .toSorted(([, a], [, b]) => (a[0]?.createdTxg ?? 0) - (b[0]?.createdTxg ?? 0))
        .map(([name, group]) => repoSnapshot(name, group))
    })
    return orAbort(listed, signal)
  }

  /** Cannot be aborted once it has begun; a crash in the middle is made good at the next open. */
  async rollback(name: string, { signal }: AbortOptions = {}): Promise<void> {
    checkName(name)
    signal?.throwIfAborted()
    let refused: Error | undefined
    await this.#gate.replace(async backend => {
      const { pool } = backend
      try {
        signal?.throwIfAborted()
        await this.#checkNewest(backend, name)
        await writeConfig(this.#folder, { ...this.#config, rollingBackTo: name })
      } catch (error) {
        refused = error as Error
        return backend
      }
      try {
        await closeStores(backend)
        await finishRollback(pool, this.#folder, { ...this.#config, rollingBackTo: name })
        return await openBackend(this.#native, pool, this.#config, budgetOf(backend))
      } catch (error) {
        await pool.close().catch(() => {})
        throw error
      }
    })
    if (refused != null) {
      throw refused
    }
  }

  /** Takes away what there is of it, also what a half-done destroy left. */
  async destroy(name: string, { signal }: AbortOptions = {}): Promise<void> {
    checkName(name)
    signal?.throwIfAborted()
    const done = this.#gate.run(async ({ pool }) => {
      const group = await this.#find(pool, name)
      if (group.length === 0) {
        throw notFound(name)
      }
      await pool.destroySnapshots(group.map(snapshot => snapshot.name))
    })
    await orAbort(done, signal)
  }

  #datasets(shardCount: number): string[] {
    const { root, catalog, shards } = datasetNames(this.#config.root, shardCount)
    return [root, catalog, ...shards]
  }

  async #find(pool: Pool, name: string): Promise<DatasetStatus[]> {
    const all = await pool.listSnapshots(this.#config.root)
    return all.filter(snapshot => nameOf(snapshot) === name)
  }

  async #checkNewest({ pool, map }: OpenedBackend, name: string): Promise<void> {
    const all = await pool.listSnapshots(this.#config.root)
    const group = all.filter(snapshot => nameOf(snapshot) === name)
    const missing = this.#datasets(map.shards).filter(
      dataset => !group.some(snapshot => snapshot.name === `${dataset}@${name}`)
    )
    if (missing.length > 0) {
      throw notFound(name)
    }
    const txg = Math.max(...group.map(snapshot => snapshot.createdTxg))
    const newer = new Set(all.filter(snapshot => snapshot.createdTxg > txg).map(nameOf))
    if (newer.size > 0) {
      throw new BusyError(
        `there are newer snapshots than ${name}, which a rollback would lose: ` +
          `${[...newer].join(', ')}; destroy them first`
      )
    }
  }
}

/**
 * Does what `rollingBackTo` of the configuration says, if anything, for every dataset that has the
 * snapshot, and takes it out of the configuration. Doing it again changes nothing.
 */
export async function finishRollback(
  pool: Pool,
  folder: string,
  config: RepoConfig
): Promise<RepoConfig> {
  const { rollingBackTo: name, ...rest } = config
  if (name == null) {
    return config
  }
  const snapshots = await pool.listSnapshots(config.root)
  for (const snapshot of snapshots.filter(found => nameOf(found) === name)) {
    await pool.rollback(snapshot.name)
  }
  await writeConfig(folder, rest)
  return rest
}

function nameOf({ name }: DatasetStatus): string {
  return name.slice(name.indexOf('@') + 1)
}

function repoSnapshot(name: string, group: DatasetStatus[]): RepoSnapshot {
  let [usedBytes, referencedBytes] = [0, 0]
  for (const snapshot of group) {
    usedBytes += snapshot.usedBytes
    referencedBytes += snapshot.referencedBytes
  }
  return {
    name,
    created: new Date((group[0]?.createdSeconds ?? 0) * 1000),
    usedBytes,
    referencedBytes
  }
}

/** `2026-11-24T22-31-05Z`: a time that is also a file name. */
function defaultName(): string {
  return `${new Date().toISOString().slice(0, 19).replaceAll(':', '-')}Z`
}

function checkName(name: string): void {
  if (!NAME.test(name)) {
    throw new InvalidParametersError(
      `"${name}" cannot be a snapshot's name: up to 128 letters, digits, "_", "-", ":" and ".", ` +
        'a letter or digit first'
    )
  }
}

function notFound(name: string): NotFoundError {
  return new NotFoundError(`the repo has no snapshot ${name}`)
}
