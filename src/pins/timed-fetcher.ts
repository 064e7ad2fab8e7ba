import type { AbortOptions } from 'abort-error'
import type { CID } from 'multiformats/cid'
import { BlockTimeoutError } from './errors.ts'
import type { Fetcher } from './types.ts'

/** Kubo waits without end; whoever asked gives up before, or not at all. */
const defaultTimeoutMs = 300_000

/** A fetcher that gives up on a block after a time. */
export class TimedFetcher implements Fetcher {
  readonly #fetch: (cid: CID, options: AbortOptions) => Promise<unknown>
  readonly #timeoutMs: number

  /**
   * @param fetch resolves when the block is stored; insists until its signal is aborted
   * @param timeoutMs default: 5 minutes
   */
  constructor(
    fetch: (cid: CID, options: AbortOptions) => Promise<unknown>,
    timeoutMs: number = defaultTimeoutMs
  ) {
    this.#fetch = fetch
    this.#timeoutMs = timeoutMs
  }

  async fetch(cid: CID, { signal }: AbortOptions): Promise<void> {
    const enough = AbortSignal.timeout(this.#timeoutMs)
    try {
      await this.#fetch(cid, {
        signal: signal == null ? enough : AbortSignal.any([signal, enough])
      })
    } catch (error) {
      signal?.throwIfAborted()
      if (!enough.aborted) throw error
      throw new BlockTimeoutError(cid, this.#timeoutMs)
    }
  }
}
