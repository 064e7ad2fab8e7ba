import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { fastify } from 'fastify'
import type { Logger } from 'pino'

/** Port 0 takes a free one. */
export type ListenOptions = { host?: string; port: number } | { socketPath: string }

/** Where a server really listens. */
export type Listening = { host: string; port: number } | { socketPath: string }

export interface HttpServer {
  readonly address: Listening
  /** Stops listening, ends what is under way, and returns within a bounded time. */
  close(): Promise<void>
}

export type Handler = (exchange: Exchange) => Promise<void>

/** One request and its answer. */
export interface Exchange {
  request: IncomingMessage
  response: ServerResponse
  /** Aborts when the client goes away before the answer is complete, and when the server stops. */
  signal: AbortSignal
}

/** Go keeps idle connections for 90 s, and does not repeat a POST on one that was just closed. */
const keepAliveMs = 120_000
/** What is under way when the server stops gets so long to notice. */
const closeMs = 3_000

export class ClientGoneError extends Error {
  override readonly name = 'ClientGoneError'

  constructor() {
    super('the client closed the connection')
  }
}

export class StoppingError extends Error {
  override readonly name = 'StoppingError'

  constructor() {
    super('the node is stopping')
  }
}

/** Serves raw requests: bodies and answers of any length stream, with no time limit. */
export async function serve(
  options: ListenOptions,
  handler: Handler,
  log: Logger
): Promise<HttpServer> {
  const app = fastify({
    keepAliveTimeout: keepAliveMs,
    requestTimeout: 0,
    connectionTimeout: 0,
    bodyLimit: Number.MAX_SAFE_INTEGER,
    forceCloseConnections: true,
    // every URL is the handler's to judge, those that cannot be decoded too
    rewriteUrl: () => '/'
  })
  const stopping = new AbortController()
  const underWay = new Set<Promise<void>>()
  // before fastify looks at the body, which is the handler's to read; it refuses the empty
  // Content-Type that Go's client sends
  app.addHook('onRequest', (request, reply) => {
    reply.hijack()
    request.raw.url = request.originalUrl
    const work = exchange(request.raw, reply.raw, stopping.signal, handler, log)
    underWay.add(work)
    void work.finally(() => underWay.delete(work))
  })
  app.all('/', () => {})
  await ('socketPath' in options
    ? app.listen({ path: options.socketPath })
    : app.listen({ host: options.host ?? '127.0.0.1', port: options.port }))
  return {
    address: listening(app.server, options),
    close: async () => {
      stopping.abort(new StoppingError())
      await Promise.race([Promise.allSettled(underWay), unrefTimeout(closeMs)])
      app.server.closeAllConnections()
      await app.close()
    }
  }
}

async function exchange(
  request: IncomingMessage,
  response: ServerResponse,
  stopping: AbortSignal,
  handler: Handler,
  log: Logger
): Promise<void> {
  const gone = new AbortController()
  response.once('close', () => {
    if (!response.writableFinished) gone.abort(new ClientGoneError())
  })
  // a broken connection is seen in 'close'; unheard, these would end the process
  request.on('error', () => {})
  response.on('error', () => {})
  try {
    await handler({ request, response, signal: AbortSignal.any([gone.signal, stopping]) })
  } catch (error) {
    log.error({ url: request.url, error: String(error) }, 'request handler failed')
    response.destroy()
  }
}

function listening(server: Server, options: ListenOptions): Listening {
  if ('socketPath' in options) return { socketPath: options.socketPath }
  const address = server.address()
  if (address == null || typeof address === 'string') throw new Error('the server does not listen')
  return { host: address.address, port: address.port }
}

async function unrefTimeout(ms: number): Promise<void> {
  await new Promise<void>(resolve => setTimeout(resolve, ms).unref())
}

/** `127.0.0.1:5001`, `[::1]:5001` or `unix:/path`. */
export function addressText(address: Listening): string {
  if ('socketPath' in address) return `unix:${address.socketPath}`
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  return `${host}:${address.port}`
}

/** As Kubo writes it into the file `api`. */
export function addressMultiaddr(address: Listening): string {
  if ('socketPath' in address) return `/unix${address.socketPath}`
  const protocol = address.host.includes(':') ? 'ip6' : 'ip4'
  return `/${protocol}/${address.host}/tcp/${address.port}`
}
