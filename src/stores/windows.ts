import { setImmediate as nextTurn } from 'node:timers/promises'

/** What one window of a source gave. */
export interface Window<Item, Out> {
  items: Item[]
  out: Out
}

export interface WindowOptions<Source, Item, Out> {
  /** A window is sent when it has this many items… */
  maxItems: number
  /** …or this many bytes, or when the source pauses longer than an event turn. */
  maxBytes: number
  /** Windows sent and not yet taken by the consumer. The source is not read beyond. */
  maxWindows: number
  /** Called once for each item, in order. */
  prepare: (source: Source) => Item | Promise<Item>
  bytesOf: (item: Item) => number
  run: (items: Item[]) => Promise<Out>
  signal?: AbortSignal | undefined
}

interface Pending<Item, Out> {
  items: Item[]
  outcome?: { out: Out } | { error: unknown }
}

type AnyIterator<T> = Iterator<T> | AsyncIterator<T>

function iteratorOf<T>(source: Iterable<T> | AsyncIterable<T>): AnyIterator<T> {
  return Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
}

function isPromise<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as { then?: unknown } | null)?.then === 'function'
}

/** Reads ahead of its consumer in windows, several in flight, and gives them in source order. */
class Pipe<Source, Item, Out> {
  readonly #options: WindowOptions<Source, Item, Out>
  readonly #iterator: AnyIterator<Source>
  readonly #pending: Array<Pending<Item, Out>> = []
  #items: Item[] = []
  #bytes = 0
  #waitsForSource = false
  #idleCheck = false
  #stopped = false
  #ended: { error?: unknown } | undefined
  #aborted = false
  #wakeConsumer: (() => void) | undefined
  #wakePump: (() => void) | undefined
  readonly #onAbort = (): void => {
    this.#aborted = true
    this.#wakeConsumer?.()
    this.#wakePump?.()
  }

  constructor(
    source: Iterable<Source> | AsyncIterable<Source>,
    options: WindowOptions<Source, Item, Out>
  ) {
    this.#options = options
    this.#iterator = iteratorOf(source)
    options.signal?.addEventListener('abort', this.#onAbort, { once: true })
    this.#pump().then(
      () => this.#end({}),
      (error: unknown) => this.#end({ error })
    )
  }

  /** The next window in order; undefined at the end. */
  async next(): Promise<Window<Item, Out> | undefined> {
    for (;;) {
      if (this.#aborted) {
        throw this.#options.signal?.reason
      }
      const head = this.#pending[0]
      if (head?.outcome != null) {
        this.#pending.shift()
        this.#sendIfIdle()
        this.#wakePump?.()
        if ('error' in head.outcome) {
          throw head.outcome.error
        }
        return { items: head.items, out: head.outcome.out }
      }
      if (head == null && this.#ended != null) {
        if ('error' in this.#ended) {
          throw this.#ended.error
        }
        return undefined
      }
      await new Promise<void>(resolve => {
        this.#wakeConsumer = resolve
      })
    }
  }

  /** Reads no further and lets the source clean up. After an abort it waits for nothing. */
  async stop(): Promise<void> {
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    const unfinished = this.#ended == null
    this.#stopped = true
    this.#wakePump?.()
    if (unfinished) {
      const returned = Promise.resolve(this.#iterator.return?.()).catch(() => {})
      // A generator that hangs in next() never comes back from return(): it gets one event turn.
      if (!this.#aborted) {
        await (this.#waitsForSource ? Promise.race([returned, nextTurn()]) : returned)
      }
    }
    while (!this.#aborted && this.#pending.some(window => window.outcome == null)) {
      await new Promise<void>(resolve => {
        this.#wakeConsumer = resolve
      })
    }
  }

  async #pump(): Promise<void> {
    const { maxItems, maxBytes, prepare, bytesOf } = this.#options
    while (!this.#stopped && !this.#aborted) {
      let next: IteratorResult<Source> | Promise<IteratorResult<Source>> = this.#iterator.next()
      if (isPromise(next)) {
        next = await this.#whileIdle(next)
      }
      if (next.done === true) {
        break
      }
      const made = prepare(next.value)
      const item = isPromise(made) ? await this.#whileIdle(made) : made
      this.#items.push(item)
      this.#bytes += bytesOf(item)
      if (this.#items.length >= maxItems || this.#bytes >= maxBytes) {
        await this.#roomForWindow()
        this.#send()
      }
    }
    await this.#roomForWindow()
    this.#send()
  }

  /** While the source makes us wait, what we have goes out at the end of the event turn. */
  async #whileIdle<T>(slow: PromiseLike<T>): Promise<T> {
    if (!this.#idleCheck && this.#items.length > 0) {
      this.#idleCheck = true
      setImmediate(() => {
        this.#idleCheck = false
        this.#sendIfIdle()
      })
    }
    this.#waitsForSource = true
    try {
      return await slow
    } finally {
      this.#waitsForSource = false
    }
  }

  async #roomForWindow(): Promise<void> {
    while (this.#isFull() && !this.#stopped && !this.#aborted) {
      await new Promise<void>(resolve => {
        this.#wakePump = resolve
      })
    }
  }

  #isFull(): boolean {
    return this.#pending.length >= this.#options.maxWindows
  }

  #sendIfIdle(): void {
    if (this.#waitsForSource && !this.#isFull()) {
      this.#send()
    }
  }

  #send(): void {
    if (this.#items.length === 0 || this.#stopped || this.#aborted) {
      return
    }
    const window: Pending<Item, Out> = { items: this.#items }
    this.#items = []
    this.#bytes = 0
    this.#pending.push(window)
    this.#options.run(window.items).then(
      out => {
        window.outcome = { out }
        this.#wakeConsumer?.()
      },
      (error: unknown) => {
        window.outcome = { error }
        this.#wakeConsumer?.()
      }
    )
  }

  #end(how: { error?: unknown }): void {
    this.#ended = how
    this.#wakeConsumer?.()
  }
}

/**
 * Runs a source through `run` in windows. Nothing is read before the first window is asked for.
 * An error of the source comes after the windows before it; an abort comes at once.
 */
export async function* inWindows<Source, Item, Out>(
  source: Iterable<Source> | AsyncIterable<Source>,
  options: WindowOptions<Source, Item, Out>
): AsyncGenerator<Window<Item, Out>, undefined> {
  options.signal?.throwIfAborted()
  const pipe = new Pipe(source, options)
  try {
    for (;;) {
      const window = await pipe.next()
      if (window == null) {
        return undefined
      }
      yield window
    }
  } finally {
    await pipe.stop()
  }
}
