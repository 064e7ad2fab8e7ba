import { Key, type Datastore } from 'interface-datastore'
import {
  keyAt,
  keyBytes,
  packKeys,
  type CatalogChange,
  type CatalogPage,
  type Family,
  type PinCatalog
} from './catalog.ts'

const prefix = '/ipfs-zfs/catalog/'

/** The catalog in keyed records. */
export class RecordCatalog implements PinCatalog {
  readonly #records: Datastore

  constructor(records: Datastore) {
    this.#records = records
  }

  async get(family: Family, keys: Uint8Array): Promise<Float64Array> {
    const count = keys.length / keyBytes
    const values = new Float64Array(count)
    const asked = Array.from({ length: count }, async (_, i) => {
      const key = recordKey(family, keyAt(keys, i))
      try {
        values[i] = readValue(await this.#records.get(key))
      } catch (error) {
        if (!(error instanceof Error) || error.name !== 'NotFoundError') throw error
      }
    })
    await Promise.all(asked)
    return values
  }

  async apply(changes: CatalogChange[]): Promise<void> {
    const batch = this.#records.batch()
    for (const { family, keys, values } of changes) {
      for (let i = 0; i < values.length; i++) {
        const key = recordKey(family, keyAt(keys, i))
        const value = values[i] as number
        if (value === 0) batch.delete(key)
        else batch.put(key, new TextEncoder().encode(String(value)))
      }
    }
    await batch.commit()
  }

  async scan(family: Family, from: Uint8Array | undefined, limit: number): Promise<CatalogPage> {
    const start = `${prefix}${family}/`
    const first = from == null ? start : recordKey(family, from).toString()
    const found: Array<{ key: Uint8Array; value: number }> = []
    const filters = [({ key }: { key: Key }) => key.toString() >= first]
    for await (const { key, value } of this.#records.query({ prefix: start, filters })) {
      const hex = key.toString().slice(start.length)
      found.push({ key: Uint8Array.from(Buffer.from(hex, 'hex')), value: readValue(value) })
    }
    found.sort((a, b) => Buffer.compare(a.key, b.key))
    const next = found[limit]?.key
    const page = found.slice(0, limit)
    return {
      keys: packKeys(page.map(({ key }) => key)),
      values: Float64Array.from(page, ({ value }) => value),
      ...(next != null && { next })
    }
  }

  async count(family: Family): Promise<number> {
    let count = 0
    const found = this.#records.queryKeys({ prefix: `${prefix}${family}/` })
    while ((await found.next()).done !== true) count++
    return count
  }
}

function recordKey(family: Family, key: Uint8Array): Key {
  return new Key(`${prefix}${family}/${Buffer.from(key).toString('hex')}`)
}

function readValue(bytes: Uint8Array): number {
  return Number(new TextDecoder().decode(bytes))
}
