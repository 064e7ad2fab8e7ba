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
    for (const { family, keys, values } of changes) {
      const map = this.#family(family)
      for (let i = 0; i < values.length; i++) {
        const text = keyText(keyAt(keys, i))
        if (values[i] === 0) map.delete(text)
        else map.set(text, values[i] as number)
      }
    }
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

function fromText(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'latin1'))
}
