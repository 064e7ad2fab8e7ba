import { ClosedError } from '../errors.ts'

/**
 * Lets work in to something that can be taken away for a while (rollback) or for good (close).
 * Work that is inside finishes first; work that comes meanwhile waits outside.
 */
export class Gate<T> {
  readonly #what: string
  #subject: T | undefined
  #inside = 0
  #closed = false
  #opening: Promise<void> | undefined
  #whenEmpty: Array<() => void> = []
  #generation = 0

  /** @param what names the thing in the ClosedError: `the repo at /data/ipfs` */
  constructor(what: string, subject: T) {
    this.#what = what
    this.#subject = subject
  }

  /** Grows each time that the subject is replaced: a cursor older than that is void. */
  get generation(): number {
    return this.#generation
  }

  /** For code that is inside already (called from `run`). */
  get subject(): T {
    if (this.#subject === undefined) {
      throw this.#closedError()
    }
    return this.#subject
  }

  /** The subject for work that ends within this event turn; undefined while nobody may enter. */
  get now(): T | undefined {
    return this.#opening == null && !this.#closed ? this.#subject : undefined
  }

  /** Runs `work` inside. ClosedError after `close`. */
  async run<R>(work: (subject: T) => Promise<R>): Promise<R> {
    while (this.#opening != null) {
      await this.#opening
    }
    if (this.#closed) {
      throw this.#closedError()
    }
    this.#inside++
    try {
      return await work(this.subject)
    } finally {
      this.#inside--
      if (this.#inside === 0) {
        this.#whenEmpty.splice(0).forEach(wake => wake())
      }
    }
  }

  /**
   * Waits until nobody is inside, then lets `work` replace the subject; others wait. When `work`
   * throws there is no subject left, and all that follows gets a ClosedError.
   */
  async replace(work: (subject: T) => Promise<T>): Promise<void> {
    while (this.#opening != null) {
      await this.#opening
    }
    if (this.#closed) {
      throw this.#closedError()
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#opening = promise
    try {
      await this.#empty()
      const before = this.subject
      this.#subject = undefined
      this.#subject = await work(before)
      this.#generation++
    } finally {
      this.#closed ||= this.#subject === undefined
      this.#opening = undefined
      resolve()
    }
  }

  /** Lets nobody in any more, waits until nobody is inside, and gives back the subject once. */
  async close(): Promise<T | undefined> {
    while (this.#opening != null) {
      await this.#opening
    }
    this.#closed = true
    await this.#empty()
    const subject = this.#subject
    this.#subject = undefined
    return subject
  }

  async #empty(): Promise<void> {
    while (this.#inside > 0) {
      await new Promise<void>(resolve => {
        this.#whenEmpty.push(resolve)
      })
    }
  }

  #closedError(): ClosedError {
    return new ClosedError(`${this.#what} is closed`)
  }
}
