/**
 * Many share it or one has it alone: adding and pinning share it, garbage collection has it alone.
 * Whoever waits to have it alone goes before those who come later.
 */
export class SharedLock {
  #sharing = 0
  #alone = false
  readonly #waiting: Array<{ alone: boolean; grant: () => void }> = []

  async shared<T>(work: () => Promise<T>): Promise<T> {
    await this.acquire(false)
    try {
      return await work()
    } finally {
      this.release(false)
    }
  }

  async alone<T>(work: () => Promise<T>): Promise<T> {
    await this.acquire(true)
    try {
      return await work()
    } finally {
      this.release(true)
    }
  }

  /** For work that is a generator: give it back with `release` in a `finally`. */
  async acquire(alone: boolean): Promise<void> {
    if (this.#waiting.length === 0 && this.#free(alone)) return this.#take(alone)
    await new Promise<void>(resolve => this.#waiting.push({ alone, grant: resolve }))
  }

  release(alone: boolean): void {
    if (alone) this.#alone = false
    else this.#sharing--
    for (let next = this.#waiting[0]; next != null && this.#free(next.alone);) {
      this.#waiting.shift()
      this.#take(next.alone)
      next.grant()
      next = this.#waiting[0]
    }
  }

  #free(alone: boolean): boolean {
    return !this.#alone && (!alone || this.#sharing === 0)
  }

  #take(alone: boolean): void {
    if (alone) this.#alone = true
    else this.#sharing++
  }
}
