/** Blocks in a map by key: quick, for long runs. */
import type { CID } from 'multiformats/cid'
import type { GotBlock, RemovedBlocks } from '../../src/native.ts'
import type { PinBlocks } from '../../src/pins/blocks.ts'
import { keyAt, keyBytes, keyText, packKeys } from '../../src/pins/catalog.ts'
import { blockKey, isSha256 } from '../../src/pins/node.ts'

export class MapBlocks implements PinBlocks {
  readonly all = new Map<string, { cid: CID; bytes: Uint8Array }>()

  put(cid: CID, bytes: Uint8Array): void {
    this.all.set(keyText(blockKey(cid.multihash.bytes)), { cid, bytes })
  }

  async sizes(keys: Uint8Array): Promise<Float64Array> {
    return Float64Array.from(this.#each(keys), one => one?.bytes.byteLength ?? -1)
  }

  async read(keys: Uint8Array): Promise<GotBlock[]> {
    return this.#each(keys).map(one => one?.bytes)
  }

  async remove(keys: Uint8Array): Promise<RemovedBlocks> {
    const cids = this.#each(keys).flatMap(one => (one == null ? [] : [one.cid]))
    for (let i = 0; i < keys.length / keyBytes; i++) this.all.delete(keyText(keyAt(keys, i)))
    return removedBlocks(cids)
  }

  async scan(from: Uint8Array | undefined, limit: number) {
    const first = from == null ? '' : keyText(from)
    const texts = [...this.all.keys()].filter(text => text >= first).sort()
    const keyOf = (text: string) => Uint8Array.from(Buffer.from(text, 'latin1'))
    const next = texts[limit]
    const keys = packKeys(texts.slice(0, limit).map(keyOf))
    return { keys, ...(next != null && { next: keyOf(next) }) }
  }

  async flush(): Promise<void> {}

  #each(keys: Uint8Array): Array<{ cid: CID; bytes: Uint8Array } | undefined> {
    return Array.from({ length: keys.length / keyBytes }, (_, i) =>
      this.all.get(keyText(keyAt(keys, i)))
    )
  }
}

/** As a store tells what it removed. */
export function removedBlocks(cids: CID[]): RemovedBlocks {
  const all = cids.map(({ multihash }) => multihash.bytes)
  return {
    digests: packKeys(all.filter(isSha256).map(blockKey)),
    multihashes: all.filter(multihash => !isSha256(multihash))
  }
}
