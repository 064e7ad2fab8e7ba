import { orAbort } from './abort.ts'

export interface BatchLimits {
  /** Calls in one batch. */
  maxCalls: number
  /** Bytes of input in one batch; one larger call goes alone. */
  maxBytes: number
  /** Batches in flight at once. What comes beyond waits in the queue, in order. */
  maxInFlight: number
}

interface Call<In, Out> {
  input: In
  bytes: number
  dropped: boolean
  resolve: (out: Out) => void
  reject: (error: unknown) => void
}

/**
 * Groups the single calls of one event turn into one batch, because crossing into native code or
 * to a worker costs about as much for a thousand calls as for one.
 */
export class CallBatcher<In, Out> {
  readonly #limits: BatchLimits
  readonly #run: (inputs: In[]) => Promise<ArrayLike<Out>>
  #queue: Array<Call<In, Out>> = []
  #inFlight = 0
  #gathering = false

  /** @param run gives one output for each input, in order; when it rejects, all the calls do */
  constructor(limits: BatchLimits, run: (inputs: In[]) => Promise<ArrayLike<Out>>) {
    this.#limits = limits
    this.#run = run
  }

  /** A call that is aborted while it waits is never made; one in flight only stops waiting. */
  async call(input: In, bytes: number, signal?: AbortSignal): Promise<Out> {
    const { promise, resolve, reject } = Promise.withResolvers<Out>()
    const call = { input, bytes, dropped: false, resolve, reject }
    this.#queue.push(call)
    if (!this.#gathering && this.#inFlight < this.#limits.maxInFlight) {
      this.#gathering = true
      setImmediate(() => {
        this.#gathering = false
        this.#dispatch()
      })
    }
    if (signal == null) {
      return promise
    }
    try {
      return await orAbort(promise, signal)
    } finally {
      call.dropped = true
    }
  }

  #dispatch(): void {
    while (this.#queue.length > 0 && this.#inFlight < this.#limits.maxInFlight) {
      const batch = this.#take()
      if (batch.length > 0) {
        this.#inFlight++
        void this.#send(batch)
      }
    }
  }

  #take(): Array<Call<In, Out>> {
    const { maxCalls, maxBytes } = this.#limits
    const batch: Array<Call<In, Out>> = []
    let bytes = 0
    let taken = 0
    for (const call of this.#queue) {
      if (batch.length === maxCalls || (batch.length > 0 && bytes + call.bytes > maxBytes)) {
        break
      }
      taken++
      if (!call.dropped) {
        batch.push(call)
        bytes += call.bytes
      }
    }
    this.#queue = taken === this.#queue.length ? [] : this.#queue.slice(taken)
    return batch
  }

  async #send(batch: Array<Call<In, Out>>): Promise<void> {
    try {
      const outputs = await this.#run(batch.map(call => call.input))
      for (let i = 0; i < batch.length; i++) {
        batch[i]?.resolve(outputs[i] as Out)
      }
    } catch (error) {
      for (const call of batch) {
        call.reject(error)
      }
    } finally {
      this.#inFlight--
      this.#dispatch()
    }
  }
}
