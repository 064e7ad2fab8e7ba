import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import { InvalidParametersError } from '../../errors.ts'
import { showDatastoreAddress, type DatastoreAddress } from './address.ts'
import { Bodies } from './body.ts'
import { Durable } from './durable.ts'
import { failureOf, RequestError } from './failure.ts'
import { sendJson, type Service } from './handlers.ts'
import { LIMITS, toldLimits, type Limits } from './limits.ts'
import { listenOn } from './listen.ts'
import { Namespaces } from './namespaces.ts'
import { match, VERSIONS } from './routes.ts'
import type { Stores } from './stores.ts'
import { tokenCheck } from './token.ts'

export interface DatastoreServerOptions {
  stores: Stores
  listen: DatastoreAddress
  /** What clients must send; needed for a host and port, where anybody could come. */
  token?: string
  /** PEM. With a host and port: TLS. */
  tls?: { cert: string | Buffer; key: string | Buffer }
  limits?: Partial<Limits>
  log?: Logger
}

export interface DatastoreServer {
  readonly address: DatastoreAddress
  /** As `--datastore` takes it, with the port in use. */
  readonly shown: string
  /** Ends listings with an error, gives other requests three seconds, and closes. */
  close(): Promise<void>
}

const INSTANCE = 'Ipfs-Zfs-Instance'
const ERROR = 'Ipfs-Zfs-Error'
const LINGER_MS = 5000
const CLOSE_MS = 3000
/** One that is refused gets so long to read why. */
const REFUSED_MS = 1000

/** Serves namespaces of a repo to other processes; docs/remote-datastore.md is its description. */
export async function serveStores(options: DatastoreServerOptions): Promise<DatastoreServer> {
  const { stores, listen, token, tls } = options
  if (!('path' in listen) && token == null) {
    throw new InvalidParametersError('a datastore on a host and port needs a token')
  }
  const limits = { ...LIMITS, ...options.limits }
  const namespaces = await Namespaces.load(stores.records)
  const durable = new Durable(stores)
  const service = { stores, durable, namespaces, bodies: new Bodies(limits), limits }
  const front = new Front(service, tokenCheck(token), options.log)
  const settings = {
    headersTimeout: limits.headersMs,
    requestTimeout: 0,
    // Longer than Go keeps an idle connection: it never writes to one that we are closing.
    keepAliveTimeout: 120_000,
    connectionsCheckingInterval: Math.min(5000, limits.headersMs)
  }
  const server = tls == null ? createServer(settings) : createTlsServer({ ...tls, ...settings })
  front.attach(server)
  const address = await listenOn(server, listen)
  return {
    address,
    shown: showDatastoreAddress(address),
    close: async () => {
      const closed = new Promise(resolve => server.close(resolve))
      front.close()
      server.closeIdleConnections()
      const timer = setTimeout(() => server.closeAllConnections(), CLOSE_MS)
      await closed
      clearTimeout(timer)
    }
  }
}

/** What every request passes: connections, token, version, route; and every error. */
class Front {
  readonly #service: Service
  readonly #checkToken: (request: IncomingMessage) => void
  readonly #log: Logger | undefined
  /** Another one after each start: so a client finds out that what it did not sync may be gone. */
  readonly #instance = randomBytes(8).toString('hex')
  readonly #closing = new AbortController()
  readonly #refused = new WeakSet<Socket>()
  #connections = 0

  constructor(
    service: Service,
    checkToken: (request: IncomingMessage) => void,
    log: Logger | undefined
  ) {
    this.#service = service
    this.#checkToken = checkToken
    this.#log = log
  }

  attach(server: Server): void {
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      void this.#answer(request, response)
    })
    server.on('connection', (socket: Socket) => this.#count(socket))
    server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
      const slow = error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      const large = error.code === 'HPE_HEADER_OVERFLOW'
      const code = slow ? 'ERR_TIMEOUT' : large ? 'ERR_TOO_LARGE' : 'ERR_MALFORMED_REQUEST'
      const status = slow ? '408 Request Timeout' : large ? '431 Too Large' : '400 Bad Request'
      refuse(socket, status, { code, message: `the request is not HTTP: ${error.message}` })
    })
  }

  close(): void {
    this.#closing.abort(new RequestError(503, 'ERR_CLOSED', 'the daemon is stopping'))
  }

  #count(socket: Socket): void {
    this.#connections++
    socket.once('close', () => this.#connections--)
    socket.setKeepAlive(true, 60_000)
    const { connections } = this.#service.limits
    if (this.#connections > connections) {
      const message = `there are ${connections} connections already; try again later`
      this.#refused.add(socket)
      refuse(socket, '503 Service Unavailable', { code: 'ERR_BUSY', message })
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#refused.has(request.socket)) {
      return
    }
    response.setHeader(INSTANCE, this.#instance)
    const gone = new AbortController()
    response.on('close', () => {
      gone.abort(new Error('the client has gone'))
    })
    // It is told by the reader of the body, if there is one; else it is no news.
    request.on('error', () => {})
    try {
      this.#checkToken(request)
      const { method = '', url = '' } = request
      if (method === 'GET' && url === '/') {
        await this.#hello(response)
        return
      }
      const { handler, name, search } = match(method, url)
      const signal = AbortSignal.any([gone.signal, this.#closing.signal])
      await handler({ ...this.#service, request, response, name, search, signal })
    } catch (error) {
      this.#fail(request, response, error)
    }
  }

  async #hello(response: ServerResponse): Promise<void> {
    const limits = toldLimits(this.#service.limits)
    const instance = this.#instance
    const service = 'ipfs-zfs remote datastore'
    const { maxBytes } = await this.#service.stores.usage()
    sendJson(response, 200, { service, versions: VERSIONS, instance, maxBytes, limits })
  }

  #fail(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    const { status, body } = failureOf(error)
    if (status >= 500) {
      this.#log?.error({ err: error, method: request.method, url: request.url }, 'request failed')
    }
    if (response.destroyed || response.headersSent) {
      response.destroy()
      return
    }
    response.setHeader(ERROR, body.code)
    if (status === 401) {
      response.setHeader('WWW-Authenticate', 'Bearer')
    }
    if (!request.complete) {
      discardRest(request)
    }
    sendJson(response, status, body)
  }
}

/**
 * Reads on for a while where the answer came before the end of the body: closed at once, the
 * connection would be reset, and the client could lose the answer.
 */
function discardRest(request: IncomingMessage): void {
  const timer = setTimeout(() => request.socket.destroy(), LINGER_MS)
  request.on('end', () => clearTimeout(timer))
  request.on('close', () => clearTimeout(timer))
  request.resume()
}

function refuse(socket: Socket, status: string, body: { code: string; message: string }): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const json = JSON.stringify(body) + '\n'
  const head = [
    `HTTP/1.1 ${status}`,
    `${ERROR}: ${body.code}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(json)}`,
    'Connection: close'
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${json}`)
  const timer = setTimeout(() => socket.destroy(), REFUSED_MS)
  socket.once('close', () => clearTimeout(timer))
}
