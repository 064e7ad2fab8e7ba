import type { IncomingMessage } from 'node:http'
import { Buffers } from './buffers.ts'
import { malformed, RequestError } from './failure.ts'
import type { Limits } from './limits.ts'

/** Bodies so small are read at once: the number of connections bounds what they take. */
const SMALL_BYTES = 64 * 1024

/**
 * Reads request bodies, each into one buffer. All bodies together stay under a budget: a large one
 * that does not fit waits, unread, until others are done. So the length must be known before.
 */
export class Bodies {
  readonly #limits: Limits
  readonly #buffers = new Buffers()
  readonly #waiting: Array<{ bytes: number; go: () => void }> = []
  #free: number

  constructor(limits: Limits) {
    this.#limits = limits
    this.#free = limits.bodiesBytes
  }

  /** Gives the body to `use`, which must not keep it: when that is done, the memory is used again. */
  async with<T>(
    request: IncomingMessage,
    maxBytes: number,
    use: (body: Uint8Array) => Promise<T>
  ): Promise<T> {
    const length = lengthOf(request, Math.min(maxBytes, this.#limits.bodiesBytes))
    if (length <= SMALL_BYTES) {
      return use(await this.#read(request, Buffer.allocUnsafeSlow(length)))
    }
    await this.#reserve(length)
    const memory = this.#buffers.take(length)
    try {
      return await use(await this.#read(request, memory))
    } finally {
      this.#buffers.give(memory)
      this.#release(length)
    }
  }

  async #reserve(bytes: number): Promise<void> {
    if (this.#waiting.length === 0 && bytes <= this.#free) {
      this.#free -= bytes
      return
    }
    await new Promise<void>(go => this.#waiting.push({ bytes, go }))
  }

  #release(bytes: number): void {
    this.#free += bytes
    for (let first = this.#waiting[0]; first != null; first = this.#waiting[0]) {
      if (first.bytes > this.#free) {
        return
      }
      this.#free -= first.bytes
      this.#waiting.shift()
      first.go()
    }
  }

  async #read(request: IncomingMessage, body: Buffer): Promise<Uint8Array> {
    const length = body.byteLength
    const { bodyMs, bodyBytesPerSecond } = this.#limits
    const ms = bodyMs + (length / bodyBytesPerSecond) * 1000
    let at = 0
    const { promise, resolve, reject } = Promise.withResolvers<undefined>()
    const timer = setTimeout(() => reject(tooSlow(at, length, ms)), ms)
    request.on('data', (chunk: Buffer) => {
      at += chunk.copy(body, at)
    })
    request.on('end', () => resolve(undefined))
    request.on('error', () => reject(cutOff(at, length)))
    request.on('close', () => reject(cutOff(at, length)))
    try {
      await promise
    } finally {
      clearTimeout(timer)
    }
    if (at !== length) {
      throw cutOff(at, length)
    }
    return body
  }
}

function lengthOf(request: IncomingMessage, maxBytes: number): number {
  const header = request.headers['content-length']
  if (header == null) {
    if (request.headers['transfer-encoding'] == null) {
      return 0
    }
    throw new RequestError(411, 'ERR_LENGTH_REQUIRED', 'the body needs a Content-Length')
  }
  const length = Number(header)
  if (length > maxBytes) {
    const message = `the body has ${length} bytes; at most ${maxBytes} are taken here`
    throw new RequestError(413, 'ERR_TOO_LARGE', message, { maxBytes })
  }
  return length
}

function cutOff(at: number, length: number): RequestError {
  return malformed('ERR_BODY_CUT_OFF', `the body ended after ${at} of ${length} bytes`)
}

function tooSlow(at: number, length: number, ms: number): RequestError {
  const message = `${at} of ${length} bytes of the body came within ${Math.ceil(ms / 1000)} s`
  return new RequestError(408, 'ERR_TIMEOUT', message)
}
