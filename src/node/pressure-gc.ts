import { countOf } from '../pins/blocks.ts'
import { spaceOf } from '../repo/space.ts'
import { checkMayCollect, collectGarbage } from './collect.ts'
import type { Node } from './node.ts'

export interface PressureGcOptions {
  /** Garbage is collected while more than this is used of what the pool can hold. 0 to 100. */
  abovePercent: number
  /**
   * Blocks that were never pinned stay for so long, in seconds: who uploads blocks first and pins
   * them then, as IPFS Cluster does, must get to pin them. Default: an hour.
   */
  minAgeSeconds?: number
}

const everyMs = 60_000

/** Collects garbage when the pool fills up. Looks once a minute, and does one thing at a time. */
export class PressureGc {
  readonly #node: Node
  readonly #options: PressureGcOptions
  readonly #stopping = new AbortController()
  readonly #timer: NodeJS.Timeout
  #looking: Promise<void> | undefined
  /** The last time it was full there was nothing to collect. */
  #isHelpless = false

  private constructor(node: Node, options: PressureGcOptions) {
    this.#node = node
    this.#options = options
    this.#timer = setInterval(() => {
      this.#looking ??= this.#look().finally(() => (this.#looking = undefined))
    }, everyMs)
  }

  /** BlocksOwnedError: a Kubo keeps its own pins in this repo. */
  static async start(node: Node, options: PressureGcOptions): Promise<PressureGc> {
    await checkMayCollect(node)
    return new PressureGc(node, options)
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#stopping.abort()
    await this.#looking
  }

  async #look(): Promise<void> {
    const { log } = this.#node
    try {
      await this.#collectIfFull()
    } catch (error) {
      if (!this.#stopping.signal.aborted) log.error({ error: String(error) }, 'gc failed')
    }
  }

  async #collectIfFull(): Promise<void> {
    const { log } = this.#node
    const { abovePercent, minAgeSeconds = 3600 } = this.#options
    const before = await this.#usedPercent()
    if (before <= abovePercent) return
    let blocks = 0
    const { signal } = this.#stopping
    for await (const page of collectGarbage(this.#node, { minAgeSeconds, signal })) {
      blocks += countOf(page)
    }
    const usedPercent = await this.#usedPercent()
    if (blocks > 0) log.info({ blocks, before, usedPercent }, 'garbage collected')
    else if (!this.#isHelpless) log.warn({ usedPercent, abovePercent }, 'no garbage to collect')
    this.#isHelpless = blocks === 0
  }

  async #usedPercent(): Promise<number> {
    const { signal } = this.#stopping
    const { usedBytes, totalBytes } = spaceOf(await this.#node.repo.stat({ signal }))
    return Math.round((1000 * usedBytes) / totalBytes) / 10
  }
}
