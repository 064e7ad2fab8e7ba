import { setTimeout as sleep } from 'node:timers/promises'
import type { AbortOptions } from 'abort-error'
import type { CID } from 'multiformats/cid'
import type { FetchBlock } from './blocks.ts'

/** A peer that has the block answers sooner; one that comes later is asked when it connects. */
const firstTryMs = 6_000
const longestTryMs = 60_000
/** After an attempt bitswap forgets the want with its next message, not at once. */
const pauseMs = 300

interface Fetch {
  block: Promise<Uint8Array>
  abort: AbortController
  waiting: number
}

/**
 * Fetches over bitswap, made dependable. Helia's bitswap never repeats a want whose answer was
 * lost, and loses one that is made again while an answer to it is being stored: so whoever wants
 * the same block waits for one fetch, and that asks again from time to time.
 */
export class Fetches {
  readonly #fetch: FetchBlock
  readonly #underWay = new Map<string, Fetch>()

  constructor(fetch: FetchBlock) {
    this.#fetch = fetch
  }

  /** Waits until someone gives the block, or the signal aborts. */
  async get(cid: CID, { signal }: AbortOptions = {}): Promise<Uint8Array> {
    signal?.throwIfAborted()
    const key = cid.toString()
    const fetch = this.#underWay.get(key) ?? this.#begin(key, cid)
    fetch.waiting++
    let leave: (() => void) | undefined
    const left = new Promise<never>((_resolve, reject) => {
      leave = () => reject(signal?.reason as Error)
      signal?.addEventListener('abort', leave, { once: true })
    })
    try {
      return await Promise.race([fetch.block, left])
    } finally {
      if (leave != null) signal?.removeEventListener('abort', leave)
      fetch.waiting--
      if (fetch.waiting === 0) this.#end(key, fetch)
    }
  }

  #begin(key: string, cid: CID): Fetch {
    const abort = new AbortController()
    const fetch: Fetch = { block: this.#insist(cid, abort.signal), abort, waiting: 0 }
    fetch.block.catch(() => {})
    this.#underWay.set(key, fetch)
    return fetch
  }

  /** Nobody waits for it any more, because it is there or they gave up. */
  #end(key: string, fetch: Fetch): void {
    fetch.abort.abort()
    if (this.#underWay.get(key) === fetch) this.#underWay.delete(key)
  }

  async #insist(cid: CID, stop: AbortSignal): Promise<Uint8Array> {
    for (let tryMs = firstTryMs; ; tryMs = Math.min(tryMs * 2, longestTryMs)) {
      const enough = AbortSignal.timeout(tryMs)
      try {
        return await this.#fetch(cid, { signal: AbortSignal.any([stop, enough]) })
      } catch (error) {
        stop.throwIfAborted()
        if (!enough.aborted) throw error
      }
      await sleep(pauseMs, undefined, { signal: stop })
    }
  }
}
