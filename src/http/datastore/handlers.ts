import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { passedThroughBuffers } from '../../young.ts'
import { parseBatch } from './batch-format.ts'
import type { Bodies } from './body.ts'
import type { Durable } from './durable.ts'
import { failureOf, malformed } from './failure.ts'
import { checkKey, decodePercent } from './keys.ts'
import type { Limits } from './limits.ts'
import { isLayout, type Namespaces } from './namespaces.ts'
import { parseQuery, type Query } from './query.ts'
import { completeFrame, entryFrame, failedFrame } from './query-frames.ts'
import { runQuery } from './query-run.ts'
import { Space, type Place } from './space.ts'
import type { Stores } from './stores.ts'

const QUERY_BYTES = 256 * 1024
/** Frames are gathered to about this much before they are written. */
const CHUNK_BYTES = 64 * 1024

/** What all handlers share. */
export interface Service {
  stores: Stores
  durable: Durable
  namespaces: Namespaces
  bodies: Bodies
  limits: Limits
}

/** One request and its answer. */
export interface Exchange extends Service {
  request: IncomingMessage
  response: ServerResponse
  /** The `{namespace}` of the path; empty where it has none. */
  name: string
  /** The part of the URL after `?`. */
  search: string
  /** Aborts when the client has gone, and when the server closes. */
  signal: AbortSignal
}

export type Handler = (exchange: Exchange) => Promise<void>

export function sendJson(response: ServerResponse, status: number, body: object): void {
  const bytes = Buffer.from(JSON.stringify(body) + '\n')
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': bytes.byteLength
  })
  response.end(bytes)
}

function sendNothing(response: ServerResponse): void {
  response.writeHead(204)
  response.end()
}

export const listNamespaces: Handler = async ({ response, namespaces }) => {
  sendJson(response, 200, { namespaces: namespaces.list() })
}

export const openNamespace: Handler = async ({ response, namespaces, durable, name, search }) => {
  const layout = new URLSearchParams(search).get('layout') ?? undefined
  if (!isLayout(layout)) {
    throw malformed('ERR_LAYOUT', 'layout is blocks, records or root')
  }
  const before = namespaces.list().length
  const namespace = await namespaces.open(name, layout)
  durable.wrote()
  // A client that saw it made counts on it after any crash.
  await durable.sync()
  sendJson(response, namespaces.list().length > before ? 201 : 200, namespace)
}

export const showNamespace: Handler = async ({ response, namespaces, name }) => {
  sendJson(response, 200, namespaces.get(name))
}

export const destroyNamespace: Handler = async ({ response, namespaces, durable, name }) => {
  await namespaces.destroy(name)
  durable.wrote()
  await durable.sync()
  sendNothing(response)
}

function spaceOf({ namespaces, name, stores, limits }: Exchange): Space {
  return new Space(namespaces.get(name), stores, limits)
}

function placeOf({ search, limits }: Exchange, space: Space): Place {
  const [, text] = /(?:^|&)key=([^&]*)/.exec(search) ?? []
  if (text == null) {
    throw malformed('ERR_MALFORMED_KEY', 'the URL needs ?key=KEY, percent-encoded')
  }
  return space.place(checkKey(decodePercent(text), limits.keyBytes))
}

export const getValue: Handler = async exchange => {
  const space = spaceOf(exchange)
  const { response, signal } = exchange
  const value = await space.get(placeOf(exchange, space), { signal })
  response.writeHead(200, {
    'Content-Type': 'application/octet-stream',
    'Content-Length': value.byteLength
  })
  response.end(value)
}

export const headValue: Handler = async exchange => {
  const space = spaceOf(exchange)
  const { response, signal } = exchange
  const size = await space.size(placeOf(exchange, space), { signal })
  response.writeHead(200, {
    'Content-Type': 'application/octet-stream',
    'Content-Length': size
  })
  response.end()
}

export const putValue: Handler = async exchange => {
  const space = spaceOf(exchange)
  const place = placeOf(exchange, space)
  const { request, response, bodies, durable } = exchange
  await bodies.with(request, space.maxBytes(place), async value => {
    await space.put(place, value)
    durable.wrote()
  })
  sendNothing(response)
}

export const deleteValue: Handler = async exchange => {
  const space = spaceOf(exchange)
  await space.delete(placeOf(exchange, space))
  exchange.durable.wrote()
  sendNothing(exchange.response)
}

export const batch: Handler = async exchange => {
  const space = spaceOf(exchange)
  const { request, response, bodies, durable, limits } = exchange
  const bytes = await bodies.with(request, limits.batchBytes, async body => {
    try {
      await space.apply(parseBatch(body, limits))
    } finally {
      durable.wrote()
    }
    return body.byteLength
  })
  sendNothing(response)
  passedThroughBuffers(bytes)
}

export const sync: Handler = async exchange => {
  spaceOf(exchange)
  await exchange.durable.sync()
  sendNothing(exchange.response)
}

export const usage: Handler = async exchange => {
  const { namespace } = spaceOf(exchange)
  const { blockBytes, recordBytes } = await exchange.stores.usage()
  const bytes = {
    blocks: blockBytes,
    records: recordBytes,
    root: blockBytes + recordBytes
  }[namespace.layout]
  sendJson(exchange.response, 200, { bytes })
}

export const collect: Handler = async exchange => {
  spaceOf(exchange)
  await exchange.durable.sync()
  sendJson(exchange.response, 200, await exchange.stores.collect())
}

export const query: Handler = async exchange => {
  const space = spaceOf(exchange)
  const { request, bodies } = exchange
  const wanted = await bodies.with(request, QUERY_BYTES, async body => parseQuery(body))
  await streamQuery(exchange, space, wanted)
}

/**
 * The head is sent with the first frames, so that what fails at once fails with a status of its
 * own. What fails later is said in the last frame.
 */
async function streamQuery(exchange: Exchange, space: Space, wanted: Query): Promise<void> {
  const { response, signal } = exchange
  const frames = new Frames(response, signal)
  let count = 0
  try {
    for await (const entry of runQuery(space, wanted, { signal })) {
      count++
      await frames.add(entryFrame(entry, wanted.keysOnly))
    }
  } catch (error) {
    if (!response.headersSent) {
      throw error
    }
    await frames.add([failedFrame(failureOf(error).body)])
    await frames.flush()
    response.end()
    return
  }
  await frames.add([completeFrame(count)])
  await frames.flush()
  response.end()
}

/** Writes small frames together, and no faster than the client reads. */
class Frames {
  readonly #response: ServerResponse
  readonly #signal: AbortSignal
  #gathered: Uint8Array[] = []
  #bytes = 0

  constructor(response: ServerResponse, signal: AbortSignal) {
    this.#response = response
    this.#signal = signal
  }

  async add(parts: Uint8Array[]): Promise<void> {
    for (const part of parts) {
      this.#gathered.push(part)
      this.#bytes += part.byteLength
    }
    if (this.#bytes >= CHUNK_BYTES) {
      await this.flush()
    }
  }

  async flush(): Promise<void> {
    const response = this.#response
    if (!response.headersSent) {
      response.writeHead(200, { 'Content-Type': 'application/octet-stream' })
    }
    const chunk = Buffer.concat(this.#gathered, this.#bytes)
    this.#gathered = []
    this.#bytes = 0
    if (!response.write(chunk) && !response.destroyed) {
      await once(response, 'drain', { signal: this.#signal })
    }
  }
}
