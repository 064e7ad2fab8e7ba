import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** So much passes through buffers before those that are done with are collected. */
const EVERY_BYTES = 4 * 1024 * 1024

type Collect = (options: { type: 'minor' }) => void

/**
 * V8 counts the bytes of buffers, and after each 64 MiB of them it marks the whole heap, though all
 * of them died young: at 256 KiB a block that was most of the daemon's time. A collection of the
 * young alone, which takes about a millisecond, keeps it from that.
 */
export class Young {
  readonly #collect: Collect
  #bytes = 0

  constructor() {
    setFlagsFromString('--expose-gc')
    this.#collect = runInNewContext('gc') as Collect
    setFlagsFromString('--no-expose-gc')
  }

  passed(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes >= EVERY_BYTES) {
      this.#bytes = 0
      this.#collect({ type: 'minor' })
    }
  }
}
