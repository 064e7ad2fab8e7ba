/**
 * One sync for all who wait: who comes while one runs waits for the next, because the running one
 * may have begun before their change.
 */
export class SyncGroup {
  readonly #sync: () => Promise<void>
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined

  constructor(sync: () => Promise<void>) {
    this.#sync = sync
  }

  /** Resolves once a sync that began after this call is done. */
  async wait(): Promise<void> {
    this.#next ??= this.#startAfter(this.#running)
    return this.#next
  }

  async #startAfter(before: Promise<void> | undefined): Promise<void> {
    // A failed sync is told to those who waited for it.
    await before?.catch(() => {})
    this.#running = this.#next
    this.#next = undefined
    await this.#sync()
  }
}
