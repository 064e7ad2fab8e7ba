/** Bytes of a key. */
export const keyBytes = 32

/**
 * What the catalog keeps. Keys are digests; a value is a safe integer, and 0 is as good as absent.
 *
 * - `pins`: by multihash; see pin-value.ts.
 * - `refs`: by node; how often it is linked to from live nodes; see node.ts.
 * - `held`: by node; expanded, and nothing links to it: a walk's frontier, or to be released.
 * - `loose`: by multihash; perhaps garbage: put and not pinned yet, or unpinned.
 */
export type Family = 'pins' | 'refs' | 'held' | 'loose'

export const families: readonly Family[] = ['pins', 'refs', 'held', 'loose']

export interface CatalogPage {
  /** Back to back, ascending. */
  keys: Uint8Array
  values: Float64Array
  /** Go on from this key; absent at the end. */
  next?: Uint8Array
}

/** Changes of one family: keys back to back, each at most once, and what they have from now on. */
export interface CatalogSet {
  family: Family
  keys: Uint8Array
  values: Float64Array
}

/** Added to what keys have, as often as they come; a sum of 0 takes one away. */
export interface CatalogSums {
  family: Family
  keys: Uint8Array
  added: number
  /** Keys that are taken away have this value in another family from then on. */
  gone?: { family: Family; value: number }
}

export type CatalogChange = CatalogSet | CatalogSums

export interface ApplyOptions {
  /** It takes away more than it adds: a full pool must not stand in its way. */
  freeing?: boolean
}

/**
 * The pins' own records, of digests, as few calls as they need. One process has it, and who changes
 * it takes turns (`Steps`).
 */
export interface PinCatalog {
  /** Values in the order of the keys; 0 where there is none. */
  get(family: Family, keys: Uint8Array): Promise<Float64Array>
  /** 1 for blocks that are alive (invariant 5 in pins.ts), else 0. */
  alive(blocks: Uint8Array): Promise<Uint8Array>
  /**
   * All of it or, also after a crash, none of it. On disk within seconds or at the next `flush`, and
   * never without what was applied before.
   */
  apply(changes: CatalogChange[], options?: ApplyOptions): Promise<void>
  /** From the smallest key that is not below `from`. */
  scan(family: Family, from: Uint8Array | undefined, limit: number): Promise<CatalogPage>
  /** Returns once all that was applied so far is on disk. */
  flush(): Promise<void>
  /** How many keys a family has; exact, and without counting. */
  count(family: Family): Promise<number>
}

/** Collects the changes of one step; the last value of a key counts. */
export class CatalogBatch {
  readonly #families = new Map<Family, Map<string, number>>()
  readonly #sums: CatalogSums[] = []

  set(family: Family, key: Uint8Array, value: number): void {
    let values = this.#families.get(family)
    if (values == null) {
      values = new Map()
      this.#families.set(family, values)
    }
    values.set(keyText(key), value)
  }

  /** What this batch has of a key so far. */
  get(family: Family, key: Uint8Array): number | undefined {
    return this.#families.get(family)?.get(keyText(key))
  }

  /** A change that needs no look at what is there. */
  add(sums: CatalogSums): void {
    if (sums.keys.length > 0) this.#sums.push(sums)
  }

  changes(): CatalogChange[] {
    const sets = [...this.#families].map(([family, map]): CatalogSet => {
      const keys = new Uint8Array(map.size * keyBytes)
      const values = new Float64Array(map.size)
      let at = 0
      for (const [key, value] of map) {
        keys.set(Buffer.from(key, 'latin1'), at * keyBytes)
        values[at] = value
        at++
      }
      return { family, keys, values }
    })
    return [...sets, ...this.#sums]
  }
}

/** A key as a Map or a Set can have it. */
export function keyText(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}

export function concatKeys(parts: Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0] as Uint8Array
  const all = new Uint8Array(parts.reduce((bytes, part) => bytes + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

export function packKeys(keys: Uint8Array[]): Uint8Array {
  const packed = new Uint8Array(keys.length * keyBytes)
  for (let i = 0; i < keys.length; i++) packed.set(keys[i] as Uint8Array, i * keyBytes)
  return packed
}

/** Those of the keys that pass, in their order; the keys themselves when all do. */
export function keysWhere(keys: Uint8Array, passes: (index: number) => boolean): Uint8Array {
  const count = keys.length / keyBytes
  let all = 0
  while (all < count && passes(all)) all++
  if (all === count) return keys
  const some = keys.slice()
  let used = all * keyBytes
  for (let i = all + 1; i < count; i++) {
    if (!passes(i)) continue
    some.copyWithin(used, i * keyBytes, (i + 1) * keyBytes)
    used += keyBytes
  }
  return some.subarray(0, used)
}

/** A view, not a copy. */
export function keyAt(keys: Uint8Array, index: number): Uint8Array {
  return keys.subarray(index * keyBytes, (index + 1) * keyBytes)
}
