import type { AbortOptions } from 'abort-error'
import type { IndexStats } from '../native.ts'
import { orAbort } from '../stores/abort.ts'
import type { Gate } from '../stores/gate.ts'
import type { OpenedBackend } from './backend.ts'
import type { IndexRecord, RepoIndex, ShardIndexStats } from './types.ts'

/** Records that are asked for at once. */
const DUMP_RECORDS = 4096

/** The digest indexes of a repo, for those who run it. */
export class IndexAdmin implements RepoIndex {
  readonly #gate: Gate<OpenedBackend>

  constructor(gate: Gate<OpenedBackend>) {
    this.#gate = gate
  }

  async stat({ signal }: AbortOptions = {}): Promise<ShardIndexStats[]> {
    signal?.throwIfAborted()
    const asked = this.#gate.run(async ({ store }) => store.indexStats())
    return (await orAbort(asked, signal)).map(withShard)
  }

  async check({ signal }: AbortOptions = {}): Promise<string[]> {
    signal?.throwIfAborted()
    return await orAbort(
      this.#gate.run(async ({ store }) => store.check()),
      signal
    )
  }

  async *dump({ signal }: AbortOptions = {}): AsyncGenerator<IndexRecord> {
    let from: Uint8Array | undefined
    do {
      signal?.throwIfAborted()
      const next = from
      const asked = this.#gate.run(async ({ store }) => store.indexDump(next, DUMP_RECORDS))
      const page = await orAbort(asked, signal)
      yield* page.records
      from = page.next
    } while (from != null)
  }

  async compact({ signal }: AbortOptions = {}): Promise<void> {
    signal?.throwIfAborted()
    await orAbort(
      this.#gate.run(async ({ store }) => store.indexCompact()),
      signal
    )
  }
}

function withShard(stats: IndexStats, shard: number): ShardIndexStats {
  return { family: 'blocks', shard, ...stats }
}
