import { InvalidParametersError, fromNative } from '../errors.ts'
import { passedThroughBuffers } from '../young.ts'
import { type StoreHandle, addon, settled } from './addon.ts'
import {
  KEY_BYTES,
  MAX_BATCH,
  checkDurability,
  checkInteger,
  checkKey,
  checkKeys,
  checkMultihash,
  checkedBlocks,
  hex,
  packed
} from './checks.ts'
import type {
  DamagedRecord,
  Durability,
  GotBlock,
  IndexPage,
  IndexStats,
  RemovedBlocks,
  ScanPage,
  Store,
  StoreStats,
  VerifyPage
} from './face.ts'

export class NativeStore implements Store {
  readonly #addon = addon()
  readonly #handle: StoreHandle

  constructor(handle: StoreHandle) {
    this.#handle = handle
  }

  async put(
    multihashes: Uint8Array[],
    blocks: Uint8Array[],
    durability: Durability
  ): Promise<void> {
    const durable = checkDurability(durability)
    const { bytes, lengths } = packed(multihashes)
    const checked = checkedBlocks(blocks, lengths.length)
    return settled(this.#addon.put(this.#handle, bytes, lengths, checked, durable))
  }

  async get(multihashes: Uint8Array[]): Promise<GotBlock[]> {
    const { bytes, lengths } = packed(multihashes)
    const found = await settled(this.#addon.get(this.#handle, bytes, lengths))
    return this.#got(found, i => `multihash ${hex(multihashes[i] as Uint8Array)}`)
  }

  async getKeys(keys: Uint8Array): Promise<GotBlock[]> {
    checkKeys(keys)
    const found = await settled(this.#addon.get(this.#handle, keys, undefined))
    return this.#got(found, i => `key ${hex(keys.subarray(i * KEY_BYTES, (i + 1) * KEY_BYTES))}`)
  }

  #got([buffers, places]: [ArrayBuffer[], Int32Array], nameOf: (i: number) => string): GotBlock[] {
    passedThroughBuffers(buffers.reduce((bytes, buffer) => bytes + buffer.byteLength, 0))
    const got = new Array<GotBlock>(places.length / 3).fill(undefined)
    for (let i = 0; i < got.length; i++) {
      const at = places[3 * i] as number
      if (at >= 0) {
        got[i] = new Uint8Array(buffers[at] as ArrayBuffer, places[3 * i + 1], places[3 * i + 2])
      } else if (at < -1) {
        const code = this.#addon.errorCodes[-2 - at] ?? 'ERR_IO'
        got[i] = fromNative(code, `the block of ${nameOf(i)} could not be read`)
      }
    }
    return got
  }

  async sizes(multihashes: Uint8Array[]): Promise<Float64Array> {
    const { bytes, lengths } = packed(multihashes)
    return settled(this.#addon.sizes(this.#handle, bytes, lengths))
  }

  async sizesOfKeys(keys: Uint8Array): Promise<Float64Array> {
    checkKeys(keys)
    return settled(this.#addon.sizes(this.#handle, keys, undefined))
  }

  async removeKeys(keys: Uint8Array, durability: Durability): Promise<RemovedBlocks> {
    const durable = checkDurability(durability)
    checkKeys(keys)
    const removed = await settled(this.#addon.removeKeys(this.#handle, keys, durable))
    const [digests, multihashes] = removed
    return { digests, multihashes }
  }

  getNow(multihash: Uint8Array): Uint8Array | null | undefined {
    checkMultihash(multihash)
    return this.#addon.getNow(this.#handle, multihash)
  }

  sizeNow(multihash: Uint8Array): number | undefined {
    checkMultihash(multihash)
    return this.#addon.sizeNow(this.#handle, multihash)
  }

  async remove(multihashes: Uint8Array[], durability: Durability): Promise<void> {
    const durable = checkDurability(durability)
    const { bytes, lengths } = packed(multihashes)
    return settled(this.#addon.remove(this.#handle, bytes, lengths, durable))
  }

  async scan(from: Uint8Array | undefined, limit: number): Promise<ScanPage> {
    checkKey(from)
    checkInteger(limit, 'the limit of a scan', 1, MAX_BATCH)
    const page = await settled(this.#addon.scan(this.#handle, from, limit))
    const multihashes: Uint8Array[] = []
    let offset = 0
    for (const length of page.lengths) {
      // Copies, so that one that is kept does not keep the whole page.
      multihashes.push(page.multihashes.slice(offset, offset + length))
      offset += length
    }
    const { sizesBytes, next } = page
    return next == null ? { multihashes, sizesBytes } : { multihashes, sizesBytes, next }
  }

  async verify(
    from: Uint8Array | undefined,
    limit: number,
    damaged: DamagedRecord[]
  ): Promise<VerifyPage> {
    checkKey(from)
    checkInteger(limit, 'the limit of a verification', 1, MAX_BATCH)
    if (!Array.isArray(damaged)) throw new InvalidParametersError('damaged must be an array')
    return settled(this.#addon.verify(this.#handle, from, limit, damaged))
  }

  async check(): Promise<string[]> {
    return settled(this.#addon.check(this.#handle))
  }

  async stats(): Promise<StoreStats> {
    return settled(this.#addon.stats(this.#handle))
  }

  async indexStats(): Promise<IndexStats[]> {
    return settled(this.#addon.indexStats(this.#handle))
  }

  async indexDump(from: Uint8Array | undefined, limit: number): Promise<IndexPage> {
    checkKey(from)
    checkInteger(limit, 'the limit of a dump', 1, MAX_BATCH)
    return settled(this.#addon.indexDump(this.#handle, from, limit))
  }

  async indexCompact(): Promise<void> {
    await settled(this.#addon.indexCompact(this.#handle))
  }

  async flush(): Promise<void> {
    return settled(this.#addon.flush(this.#handle))
  }

  async compactStep(): Promise<number> {
    return settled(this.#addon.compactStep(this.#handle))
  }

  async close(): Promise<void> {
    return settled(this.#addon.closeStore(this.#handle))
  }
}
