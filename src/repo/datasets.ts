import type { AbortOptions } from 'abort-error'
import { InvalidParametersError, NotFoundError } from '../errors.ts'
import type { DatasetStatus, PoolStatus, Properties, ScrubStatus } from '../native.ts'
import { orAbort } from '../stores/abort.ts'
import type { Gate } from '../stores/gate.ts'
import type { OpenedBackend } from './backend.ts'
import { datasetNames } from './layout.ts'
import type { RepoZfs } from './types.ts'

/** Values that would take from the repo what it promises, and why. */
const REFUSED: Record<string, Record<string, string>> = {
  checksum: {
    off: 'damage would go unseen',
    noparity: 'damage would go unseen'
  },
  readonly: { on: 'the repo writes to its datasets' }
}

/** The pool and the datasets of one repo, as zfs(8) and zpool(8) would show and set them. */
export class Datasets implements RepoZfs {
  readonly root: string
  readonly #gate: Gate<OpenedBackend>

  constructor(root: string, gate: Gate<OpenedBackend>) {
    this.root = root
    this.#gate = gate
  }

  async status({ signal }: AbortOptions = {}): Promise<PoolStatus> {
    return this.#run(signal, async ({ pool }) => pool.status())
  }

  async list({ signal }: AbortOptions = {}): Promise<DatasetStatus[]> {
    const found = await this.#run(signal, async ({ pool }) => pool.listDatasets(this.root))
    return found.sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  async getProperties(dataset = this.root, { signal }: AbortOptions = {}): Promise<Properties> {
    this.#checkOurs(dataset)
    return this.#run(signal, async ({ pool }) => pool.getProperties(dataset))
  }

  async setProperties(
    properties: Properties,
    dataset = this.root,
    { signal }: AbortOptions = {}
  ): Promise<void> {
    this.#checkOurs(dataset)
    if (dataset === datasetNames(this.root, 0).reserve) {
      throw new InvalidParametersError(
        `${dataset} holds the room that lets a full pool delete: its properties are the repo's own`
      )
    }
    for (const [name, value] of Object.entries(properties)) {
      const why = REFUSED[name]?.[value]
      if (why != null) throw new InvalidParametersError(`${name}=${value} is refused: ${why}`)
    }
    await this.#run(signal, async ({ pool }) => pool.setProperties(dataset, properties))
  }

  async startScrub({ signal }: AbortOptions = {}): Promise<void> {
    await this.#run(signal, async ({ pool }) => pool.scrubStart())
  }

  async stopScrub({ signal }: AbortOptions = {}): Promise<void> {
    await this.#run(signal, async ({ pool }) => pool.scrubStop())
  }

  async scrubStatus(options: AbortOptions = {}): Promise<ScrubStatus> {
    return (await this.status(options)).scrub
  }

  /** A pool may hold more than this repo: none of it is shown or touched. */
  #checkOurs(dataset: string): void {
    const isOurs = dataset === this.root || dataset.startsWith(`${this.root}/`)
    if (!isOurs) throw new NotFoundError(`the repo has no dataset ${dataset}`)
  }

  async #run<R>(
    signal: AbortSignal | undefined,
    work: (backend: OpenedBackend) => Promise<R>
  ): Promise<R> {
    signal?.throwIfAborted()
    return orAbort(this.#gate.run(work), signal)
  }
}
