import { once } from 'node:events'
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { agentVersion } from '../../node/version.ts'
import type { Exchange } from '../listen.ts'
import { write, writeBytes } from '../write.ts'
import type { Reply } from './command.ts'
import { BadRequestError, errorBody, errorText } from './errors.ts'
import { jsonLine } from './json.ts'

const exposed = 'X-Stream-Output, X-Chunked-Output, X-Content-Length'
/** A client that sends on when it has been refused gets so much of its data ignored. */
const lingerMs = 2_000

/** Answers a request in the ways that Kubo answers. */
export class Answer {
  readonly #exchange: Exchange
  readonly #headers: OutgoingHttpHeaders

  constructor(exchange: Exchange, headers: OutgoingHttpHeaders) {
    this.#exchange = exchange
    this.#headers = headers
  }

  text(status: number, message: string, headers: OutgoingHttpHeaders = {}): void {
    const body = `${message}\n`
    this.#exchange.response.writeHead(status, {
      ...this.#headers,
      'content-type': 'text/plain; charset=utf-8',
      'x-content-type-options': 'nosniff',
      'content-length': Buffer.byteLength(body),
      ...headers
    })
    this.#exchange.response.end(body)
    this.#ignoreRest()
  }

  empty(status: number, headers: OutgoingHttpHeaders): void {
    this.#exchange.response.writeHead(status, { ...this.#headers, ...headers }).end()
    this.#ignoreRest()
  }

  /** Sends a reply; what fails before its first byte becomes an error, later the end of it. */
  async send(reply: Reply, signal: AbortSignal): Promise<void> {
    if (reply.kind === 'value') {
      this.#begin(200, 'application/json')
      this.#exchange.response.end(jsonLine(reply.value))
      return
    }
    const source = sourceOf(reply)
    const chunks: AsyncIterator<Uint8Array | string> = source[Symbol.asyncIterator]()
    try {
      await this.#sendChunks(reply, chunks, signal)
    } catch (error) {
      // not awaited: it may itself wait for what will never come
      void chunks.return?.()?.then(undefined, () => {})
      throw error
    }
  }

  async #sendChunks(
    reply: Exclude<Reply, { kind: 'value' }>,
    chunks: AsyncIterator<Uint8Array | string>,
    signal: AbortSignal
  ): Promise<void> {
    const { response } = this.#exchange
    let step = await orAbort(chunks.next(), signal)
    if (reply.kind !== 'bytes') {
      this.#begin(200, 'application/json', { 'x-chunked-output': '1' })
    } else {
      const { totalBytes } = reply
      this.#begin(200, reply.contentType, {
        'x-stream-output': '1',
        ...(totalBytes == null ? {} : { 'x-content-length': String(totalBytes) })
      })
    }
    // an answer may be long in coming, and the client wants to know that it is
    response.flushHeaders()
    while (step.done !== true) {
      if (step.value.length > 0) await write(response, step.value, signal)
      step = await orAbort(chunks.next(), signal)
    }
    response.end()
  }

  /** Gives the client what another server answered; what fails there is told as our own is. */
  async relay(answered: IncomingMessage, signal: AbortSignal): Promise<void> {
    const { response } = this.#exchange
    response.writeHead(answered.statusCode ?? 502, {
      ...this.#headers,
      ...endToEnd(answered.headers)
    })
    response.flushHeaders()
    for await (const chunk of answered) await write(response, chunk as Uint8Array, signal)
    const late = answered.trailers['x-stream-error']
    if (late != null) throw new Error(late)
    response.end()
  }

  /** Ends the exchange because of an error. */
  async fail(error: unknown): Promise<void> {
    const { response, request } = this.#exchange
    if (response.destroyed) return
    if (response.headersSent) return this.#failLate(error)
    if (error instanceof BadRequestError) return this.text(400, error.message)
    const { status, body } = errorBody(error)
    this.#begin(status, 'application/json')
    response.end(jsonLine(body))
    if (!request.complete) this.#ignoreRest()
    await once(response, 'close')
  }

  /**
   * The end must not look like success: Cluster reads no trailers. A client that does gets the
   * reason in one; for all others the connection breaks.
   */
  #failLate(error: unknown): void {
    const { request, response } = this.#exchange
    if (readsTrailers(request.headers)) {
      response.addTrailers({ 'X-Stream-Error': headerText(errorText(error)) })
      response.end()
    } else {
      response.destroy()
    }
  }

  #begin(status: number, contentType: string, headers: OutgoingHttpHeaders = {}): void {
    const { response } = this.#exchange
    response.writeHead(status, {
      ...this.#headers,
      server: agentVersion,
      'access-control-allow-headers': exposed,
      'access-control-expose-headers': exposed,
      trailer: 'X-Stream-Error',
      'content-type': contentType,
      ...headers
    })
  }

  /** Closing while the client still sends would lose it the answer. */
  #ignoreRest(): void {
    const { request } = this.#exchange
    if (request.complete) return
    request.removeAllListeners('readable')
    request.resume()
    const timer = setTimeout(() => request.destroy(), lingerMs)
    request.once('close', () => clearTimeout(timer))
  }
}

/** Kubo's own command does and does not say so, but says who it is. */
function readsTrailers({ te, 'user-agent': agent = '' }: IncomingHttpHeaders): boolean {
  return /\btrailers\b/i.test(String(te)) || agent.startsWith('go-ipfs-cmds/')
}

function sourceOf(reply: Exclude<Reply, { kind: 'value' }>): AsyncIterable<Uint8Array | string> {
  if (reply.kind === 'values') return jsonLines(reply.values)
  return reply.kind === 'lines' ? reply.lines : reply.bytes
}

/** Many small values go out together, but none waits for one that is not there yet. */
async function* jsonLines(values: AsyncIterable<unknown>): AsyncGenerator<string> {
  const source = values[Symbol.asyncIterator]()
  let held = ''
  try {
    let next = source.next()
    for (;;) {
      const step = held === '' ? await next : await Promise.race([next, tick()])
      if (step === undefined) {
        yield held
        held = ''
        continue
      }
      if (step.done === true) break
      held += jsonLine(step.value)
      next = source.next()
      if (held.length >= writeBytes) {
        yield held
        held = ''
      }
    }
    if (held !== '') yield held
  } finally {
    await source.return?.()
  }
}

async function tick(): Promise<undefined> {
  await new Promise<void>(resolve => setImmediate(resolve))
  return undefined
}

/** A source that waits for a block that no one has must not hold a request that was given up. */
async function orAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  let stop: (() => void) | undefined
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason as Error)
    signal.addEventListener('abort', stop, { once: true })
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    if (stop != null) signal.removeEventListener('abort', stop)
  }
}

const hopByHop = ['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'te']

/** Those headers that are not about one connection. */
export function endToEnd(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !hopByHop.includes(name)))
}

function headerText(text: string): string {
  return text.replace(/[^\t\x20-\x7e\x80-\xff]/g, ' ')
}
