import { keyAt, keyBytes, keyText, packKeys, type PinCatalog } from './catalog.ts'
import { looseValue, nowSeconds } from './loose.ts'
import { blockKey } from './node.ts'
import { SharedLock } from './shared-lock.ts'

/** Of keys in one note, unless one call has more. */
const noteBytes = 4096 * keyBytes

interface Note {
  keys: Uint8Array[]
  bytes: number
  written: Promise<void>
}

/**
 * Blocks on their way into the store. Each is noted as loose before it is stored, so that a
 * collection finds it whenever the process ends, and the collection leaves it alone until it is.
 */
export class Arrivals {
  readonly #catalog: PinCatalog
  readonly #underWay = new Set<Uint8Array>()
  /** Shared while a note is written, alone while the queue of loose blocks is emptied. */
  readonly #queue = new SharedLock()
  /** Takes more keys until it is written. */
  #next: Note | undefined
  #written: Promise<void> = Promise.resolve()

  constructor(catalog: PinCatalog) {
    this.#catalog = catalog
  }

  /** Notes the blocks, then runs `store`. NoSpaceError, and nothing is stored: there is no room. */
  async during<T>(multihashes: Uint8Array[], store: () => Promise<T>): Promise<T> {
    const keys = packKeys(multihashes.map(blockKey))
    this.#underWay.add(keys)
    try {
      await this.note(keys)
      return await store()
    } finally {
      this.#underWay.delete(keys)
    }
  }

  /**
   * Blocks that are here: unless something keeps them, the next collection deletes them. What is
   * asked for while the catalog still writes the note before becomes one note.
   */
  async note(keys: Uint8Array): Promise<void> {
    let note = this.#next
    if (note == null || note.bytes + keys.length > noteBytes) {
      const opened: Note = { keys: [], bytes: 0, written: Promise.resolve() }
      opened.written = this.#written.then(async () =>
        this.#queue.shared(async () => this.#write(opened))
      )
      this.#written = opened.written.catch(() => {})
      this.#next = note = opened
    }
    note.keys.push(keys)
    note.bytes += keys.length
    return note.written
  }

  async #write(note: Note): Promise<void> {
    if (this.#next === note) this.#next = undefined
    const different = new Map<string, Uint8Array>()
    for (const keys of note.keys) {
      for (let i = 0; i < keys.length / keyBytes; i++) {
        const key = keyAt(keys, i)
        different.set(keyText(key), key)
      }
    }
    const values = new Float64Array(different.size).fill(looseValue(nowSeconds(), false))
    await this.#catalog.apply([
      { family: 'loose', keys: packKeys([...different.values()]), values }
    ])
  }

  /** Runs `sweep` while no note is written, and tells it which blocks are on their way. */
  async pause<T>(sweep: (arriving: ReadonlySet<string>) => Promise<T>): Promise<T> {
    return this.#queue.alone(async () => {
      // one that comes later waits with its note until the sweep is over, and is stored after that
      const arriving = new Set<string>()
      for (const keys of this.#underWay) {
        for (let i = 0; i < keys.length / keyBytes; i++) arriving.add(keyText(keyAt(keys, i)))
      }
      return sweep(arriving)
    })
  }
}
