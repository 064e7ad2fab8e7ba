import type { DatasetStatus, PoolStatus, Properties, ScrubStatus } from '../native.ts'
import type { RepoStat } from '../repo/types.ts'
import { lowerNames } from './names.ts'
import type { RpcClient } from './rpc.ts'

interface Options {
  signal?: AbortSignal
}

export interface ZfsStatus {
  /** The dataset that holds all others of the repo. */
  root: string
  pool: PoolStatus
}

export interface ZfsSnapshot {
  name: string
  /** ISO 8601, UTC. */
  created: string
  usedBytes: number
  referencedBytes: number
}

/**
 * The commands under `/api/v0/zfs/`: of a daemon, or through the IPFS proxy of an IPFS Cluster peer,
 * which passes them on. Names are those of src/native.ts and src/repo/types.ts.
 */
export class ZfsClient {
  readonly #rpc: RpcClient

  constructor(rpc: RpcClient) {
    this.#rpc = rpc
  }

  async status(options?: Options): Promise<ZfsStatus> {
    return this.#ask<ZfsStatus>('status', [], options)
  }

  /** By name, the root first. */
  async *datasets(options: Options = {}): AsyncGenerator<DatasetStatus> {
    for await (const line of this.#rpc.lines('zfs/dataset/list', options)) {
      yield lowerNames(line) as DatasetStatus
    }
  }

  /** Of the root dataset unless one is named; all of them unless some are. */
  async getProperties(
    names: string[] = [],
    { dataset, ...options }: Options & { dataset?: string } = {}
  ): Promise<Properties> {
    return this.#properties('get', names, dataset, options)
  }

  /** What was set. */
  async setProperties(
    properties: Properties,
    { dataset, ...options }: Options & { dataset?: string } = {}
  ): Promise<Properties> {
    const args = Object.entries(properties).map(([name, value]) => `${name}=${value}`)
    return this.#properties('set', args, dataset, options)
  }

  /** Default name: the time, `2026-11-24T22-31-05Z`. */
  async createSnapshot(name?: string, options?: Options): Promise<ZfsSnapshot> {
    return this.#ask<ZfsSnapshot>('snapshot/create', name == null ? [] : [name], options)
  }

  /** Oldest first. */
  async *snapshots(options: Options = {}): AsyncGenerator<ZfsSnapshot> {
    for await (const line of this.#rpc.lines('zfs/snapshot/list', options)) {
      yield lowerNames(line) as ZfsSnapshot
    }
  }

  /** To the newest snapshot only: newer ones must be destroyed first. */
  async rollback(snapshot: string, options?: Options): Promise<void> {
    await this.#ask('snapshot/rollback', [snapshot], options)
  }

  async destroySnapshot(name: string, options?: Options): Promise<void> {
    await this.#ask('snapshot/destroy', [name], options)
  }

  async startScrub(options?: Options): Promise<ScrubStatus> {
    return this.#ask<ScrubStatus>('scrub/start', [], options)
  }

  async stopScrub(options?: Options): Promise<ScrubStatus> {
    return this.#ask<ScrubStatus>('scrub/stop', [], options)
  }

  async scrubStatus(options?: Options): Promise<ScrubStatus> {
    return this.#ask<ScrubStatus>('scrub/status', [], options)
  }

  async repoStat(options?: Options): Promise<RepoStat> {
    return this.#ask<RepoStat>('repo/stat', [], options)
  }

  /** Bytes given back. */
  async compact(options?: Options): Promise<number> {
    return (await this.#ask<{ freedBytes: number }>('repo/compact', [], options)).freedBytes
  }

  async #ask<T>(command: string, args: string[], options: Options = {}): Promise<T> {
    return lowerNames(await this.#rpc.json(`zfs/${command}`, { args, ...options })) as T
  }

  async #properties(
    verb: 'get' | 'set',
    args: string[],
    dataset: string | undefined,
    { signal }: Options
  ): Promise<Properties> {
    const answer = await this.#rpc.json<{ Properties: Properties }>(`zfs/property/${verb}`, {
      args,
      options: { dataset },
      ...(signal != null && { signal })
    })
    return answer.Properties
  }
}
