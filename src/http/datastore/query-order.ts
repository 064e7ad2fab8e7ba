import type { Entry } from './query-entries.ts'

/** Never 0 for two entries of one listing. */
export type Compare = (a: Entry, b: Entry) => number

export interface Window {
  entries: number
  bytes: number
}

const WINDOW: Window = { entries: 65_536, bytes: 64 * 1024 * 1024 }

/**
 * A listing of any length in an order that it does not have, in bounded memory: each pass over the
 * source keeps the smallest entries after the last one given. One pass does when all (or all that
 * the consumer may take, `most`) fit the window; else n entries cost n / window passes.
 */
export async function* inOrder(
  source: () => AsyncIterable<Entry>,
  compare: Compare,
  most: number,
  window: Window = WINDOW
): AsyncGenerator<Entry> {
  let after: Entry | undefined
  let left = most
  for (;;) {
    const smallest = new Smallest(compare, { ...window, entries: Math.min(window.entries, left) })
    for await (const entry of source()) {
      if (after == null || compare(entry, after) > 0) {
        smallest.offer(entry)
      }
    }
    const entries = smallest.take()
    yield* entries
    after = entries.at(-1)
    left -= entries.length
    if (!smallest.droppedSome || after == null || left <= 0) {
      return
    }
  }
}

/** The smallest entries of those offered that fit the window. Holds up to two windows. */
class Smallest {
  readonly #compare: Compare
  readonly #window: Window
  #kept: Entry[] = []
  #bytes = 0
  #largest: Entry | undefined

  constructor(compare: Compare, window: Window) {
    this.#compare = compare
    this.#window = window
  }

  get droppedSome(): boolean {
    return this.#largest != null
  }

  offer(entry: Entry): void {
    if (this.#largest != null && this.#compare(entry, this.#largest) > 0) {
      return
    }
    this.#kept.push(entry)
    this.#bytes += bytesOf(entry)
    const { entries, bytes } = this.#window
    if (this.#kept.length >= entries * 2 || this.#bytes >= bytes * 2) {
      this.#cut()
    }
  }

  take(): Entry[] {
    this.#cut()
    return this.#kept
  }

  #cut(): void {
    this.#kept.sort(this.#compare)
    const { entries, bytes } = this.#window
    let count = 0
    let sum = 0
    for (const entry of this.#kept) {
      sum += bytesOf(entry)
      if (count > 0 && (count === entries || sum > bytes)) {
        sum -= bytesOf(entry)
        this.#kept.length = count
        this.#largest = this.#kept[count - 1]
        break
      }
      count++
    }
    this.#bytes = sum
  }
}

function bytesOf({ key, value }: Entry): number {
  return key.byteLength + (value?.byteLength ?? 0)
}
