import type { CID } from 'multiformats/cid'
import { identityCode } from '../unixfs/hashers.ts'
import { keyAt, keyBytes, keyText, type PinCatalog } from './catalog.ts'
import { looseValue, nowSeconds } from './loose.ts'
import { blockKey } from './node.ts'

/** So many are written together. */
const batchKeys = 4096
const soonMs = 500

/**
 * Notes of blocks that were stored, gathered so that a block costs a part of a batch. Those of the
 * last moments are lost in a crash: such blocks stay until they are pinned and unpinned, or until
 * `noteAll`.
 */
export class LooseNotes {
  readonly #catalog: PinCatalog
  #keys = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor(catalog: PinCatalog) {
    this.#catalog = catalog
  }

  freed(): number {
    return looseValue(nowSeconds(), true)
  }

  async add(cids: CID[]): Promise<void> {
    for (const { multihash } of cids) {
      if (multihash.code !== identityCode) this.#note(blockKey(multihash.bytes))
    }
    await this.#writeIfMany()
  }

  async addKeys(keys: Uint8Array): Promise<void> {
    for (let i = 0; i < keys.length / keyBytes; i++) this.#note(keyAt(keys, i))
    await this.#writeIfMany()
  }

  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#keys.size > 0) this.#write()
    await this.#writing
  }

  #note(key: Uint8Array): void {
    this.#keys.set(keyText(key), looseValue(nowSeconds(), false))
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      if (this.#keys.size > 0) this.#write()
    }, soonMs).unref()
  }

  async #writeIfMany(): Promise<void> {
    if (this.#keys.size < batchKeys) return
    this.#write()
    await this.#writing
  }

  #write(): void {
    const notes = this.#keys
    this.#keys = new Map()
    const keys = new Uint8Array(notes.size * keyBytes)
    let at = 0
    for (const text of notes.keys()) keys.set(Buffer.from(text, 'latin1'), keyBytes * at++)
    const values = Float64Array.from(notes.values())
    const before = this.#writing
    this.#writing = (async () => {
      await before.catch(() => {})
      await this.#catalog.apply([{ family: 'loose', keys, values }])
    })()
    // whoever flushes sees the failure; a note that is lost costs space, no data
    this.#writing.catch(() => {})
  }
}
