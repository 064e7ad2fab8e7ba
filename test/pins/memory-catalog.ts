/** The catalog as a plain map: the model beside the native one, and what fast tests stand on. */
import {
  keyAt,
  keyBytes,
  keyText,
  packKeys,
  type CatalogChange,
  type CatalogPage,
  type Family,
  type PinCatalog
} from '../../src/pins/catalog.ts'
import { kinds, nodeKey } from '../../src/pins/node.ts'

export class MemoryCatalog implements PinCatalog {
  readonly #families = new Map<Family, Map<string, number>>()
  /** Called before each batch; throws to make it fail. */
  beforeApply: () => void = () => {}
  batches = 0

  async get(family: Family, keys: Uint8Array): Promise<Float64Array> {
    const map = this.#family(family)
    const values = new Float64Array(keys.length / keyBytes)
    for (let i = 0; i < values.length; i++) values[i] = map.get(keyText(keyAt(keys, i))) ?? 0
    return values
  }

  async apply(changes: CatalogChange[]): Promise<void> {
    this.beforeApply()
    this.batches++
    for (const change of changes) {
      const map = this.#family(change.family)
      for (let i = 0; i < change.keys.length / keyBytes; i++) {
        const text = keyText(keyAt(change.keys, i))
        if ('values' in change) put(map, text, change.values[i] as number)
        else {
          const sum = (map.get(text) ?? 0) + change.added
          if (sum < 0) throw new RangeError('a count fell below zero')
          put(map, text, sum)
          const { gone } = change
          if (gone != null && sum === 0) put(this.#family(gone.family), text, gone.value)
        }
      }
    }
  }

  async alive(blocks: Uint8Array): Promise<Uint8Array> {
    const alive = new Uint8Array(blocks.length / keyBytes)
    for (let i = 0; i < alive.length; i++) {
      const block = keyAt(blocks, i)
      const refs = kinds.some(kind => this.#family('refs').has(keyText(nodeKey(block, kind))))
      alive[i] = refs || this.#family('pins').has(keyText(block)) ? 1 : 0
    }
    return alive
  }

  async flush(): Promise<void> {}

  async scan(family: Family, from: Uint8Array | undefined, limit: number): Promise<CatalogPage> {
    const first = from == null ? '' : keyText(from)
    const map = this.#family(family)
    const texts = [...map.keys()].filter(text => text >= first).sort()
    const next = texts[limit]
    const page = texts.slice(0, limit)
    return {
      keys: packKeys(page.map(fromText)),
      values: Float64Array.from(page, text => map.get(text) ?? 0),
      ...(next != null && { next: fromText(next) })
    }
  }

  async count(family: Family): Promise<number> {
    return this.#family(family).size
  }

  #family(family: Family): Map<string, number> {
    let map = this.#families.get(family)
    if (map == null) {
      map = new Map()
      this.#families.set(family, map)
    }
    return map
  }
}

function put(map: Map<string, number>, text: string, value: number): void {
  if (value === 0) map.delete(text)
  else map.set(text, value)
}

function fromText(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'latin1'))
}
