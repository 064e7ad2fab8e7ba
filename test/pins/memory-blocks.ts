/** Any blockstore by key, as pins see blocks. */
import type { Blockstore } from 'interface-blockstore'
import type { GotBlock, RemovedBlocks } from '../../src/native.ts'
import type { PinBlocks } from '../../src/pins/blocks.ts'
import { keyAt, keyBytes, keyText, packKeys } from '../../src/pins/catalog.ts'
import { blockKey } from '../../src/pins/node.ts'
import type { CID } from 'multiformats/cid'
import { removedBlocks } from './map-blocks.ts'

export class MemoryBlocks implements PinBlocks {
  readonly #store: Blockstore

  constructor(store: Blockstore) {
    this.#store = store
  }

  async sizes(keys: Uint8Array): Promise<Float64Array> {
    const read = await this.read(keys)
    return Float64Array.from(read, one => (one instanceof Uint8Array ? one.byteLength : -1))
  }

  async read(keys: Uint8Array): Promise<GotBlock[]> {
    const all = await this.#all()
    return each(keys, key => all.get(keyText(key))?.bytes)
  }

  async remove(keys: Uint8Array): Promise<RemovedBlocks> {
    const all = await this.#all()
    const cids = each(keys, key => all.get(keyText(key))?.cid).filter(cid => cid != null)
    for (const cid of cids) await this.#store.delete(cid)
    return removedBlocks(cids)
  }

  async scan(from: Uint8Array | undefined, limit: number) {
    const first = from == null ? '' : keyText(from)
    const all = await this.#all()
    const texts = [...all.keys()].filter(text => text >= first).sort()
    const keyOf = (text: string) => Uint8Array.from(Buffer.from(text, 'latin1'))
    const next = texts[limit]
    return {
      keys: packKeys(texts.slice(0, limit).map(keyOf)),
      ...(next != null && { next: keyOf(next) })
    }
  }

  async flush(): Promise<void> {}

  async #all(): Promise<Map<string, { cid: CID; bytes: Uint8Array }>> {
    const all = new Map<string, { cid: CID; bytes: Uint8Array }>()
    for await (const { cid, bytes } of this.#store.getAll()) {
      const pieces: Uint8Array[] = []
      for await (const piece of bytes) pieces.push(piece)
      const whole = pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces)
      all.set(keyText(blockKey(cid.multihash.bytes)), { cid, bytes: whole })
    }
    return all
  }
}

function each<T>(keys: Uint8Array, find: (key: Uint8Array) => T): T[] {
  return Array.from({ length: keys.length / keyBytes }, (_, i) => find(keyAt(keys, i)))
}
