import type { OutgoingHttpHeaders } from 'node:http'
import type { CID } from 'multiformats/cid'
import { BlockMissingError } from '../../node/blocks.ts'
import type { Node } from '../../node/node.ts'
import { agentVersion } from '../../node/version.ts'
import type { GetBlock } from '../../unixfs/blocks.ts'
import { writeCar } from '../../unixfs/car-writer.ts'
import { NoKeyError, NoLinkError, resolvePath, type ContentPath } from '../../unixfs/path.ts'
import { parseCid } from '../../unixfs/cid-text.ts'
import { serve, type Exchange, type HttpServer, type ListenOptions } from '../listen.ts'
import { write } from '../write.ts'
import { carBlocks, checkRange, type Terminus } from './car-blocks.ts'
import { contentType, disposition, etagOf, forever, matches, openToAll } from './headers.ts'
import { GatewayError, negotiate, type CarRequest, type Negotiated } from './negotiate.ts'

/** How long a block is waited for that peers may or may not have. */
const fetchMs = 30_000

/** Serves the trustless gateway of a node. */
export async function startGateway(node: Node, listen: ListenOptions): Promise<HttpServer> {
  return serve(listen, exchange => handle(exchange, node), node.log)
}

async function handle(exchange: Exchange, node: Node): Promise<void> {
  const { request, response } = exchange
  const base = { ...openToAll, server: agentVersion, vary: 'Accept' }
  try {
    const { method = '' } = request
    if (method === 'OPTIONS') {
      response.writeHead(204, base).end()
    } else if (method === 'GET' || method === 'HEAD') {
      await new Retrieval(exchange, node, base).run()
    } else {
      response.setHeader('allow', 'GET, HEAD, OPTIONS')
      throw new GatewayError(405, `${method} is not allowed`)
    }
  } catch (error) {
    fail(exchange, base, error)
  }
}

function fail({ response }: Exchange, base: OutgoingHttpHeaders, error: unknown): void {
  // half an answer must not look like a whole one
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  const status = statusOf(error)
  response.writeHead(status, {
    ...base,
    'content-type': 'text/plain; charset=utf-8',
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
    ...(status === 504 ? { 'retry-after': '30' } : {})
  })
  response.end(`${error instanceof Error ? error.message : String(error)}\n`)
}

function statusOf(error: unknown): number {
  if (error instanceof GatewayError) return error.status
  if (error instanceof BlockMissingError) return 404
  if (error instanceof NoLinkError || error instanceof NoKeyError) return 404
  return error instanceof Error && error.name === 'TimeoutError' ? 504 : 500
}

/** One GET or HEAD. */
class Retrieval {
  readonly #exchange: Exchange
  readonly #node: Node
  readonly #base: OutgoingHttpHeaders
  readonly #get: GetBlock
  readonly #url: URL

  constructor(exchange: Exchange, node: Node, base: OutgoingHttpHeaders) {
    this.#exchange = exchange
    this.#node = node
    this.#base = base
    this.#url = new URL(exchange.request.url ?? '/', 'http://gateway')
    this.#get = cid => {
      const signal = AbortSignal.any([exchange.signal, AbortSignal.timeout(fetchMs)])
      return node.blocks.get(cid, { signal })
    }
  }

  async run(): Promise<void> {
    const { headers } = this.#exchange.request
    const path = parsePath(this.#url)
    const negotiated = negotiate(this.#url, headers)
    const { wanted } = negotiated
    if (wanted.format === 'raw' && path.segments.length > 0) {
      throw new GatewayError(400, 'a raw block has no paths below it: ask with ?format=car')
    }
    await this.#checkCached(path.root)
    const etag = etagOf(path.root, path.segments, wanted)
    if (matches(headers['if-none-match'], etag)) {
      const { response } = this.#exchange
      response.writeHead(304, { ...this.#base, etag, 'cache-control': forever }).end()
    } else if (wanted.format === 'raw') {
      await this.#sendRaw(path, this.#headers(path, negotiated, etag))
    } else {
      await this.#sendCar(path, wanted, this.#headers(path, negotiated, etag))
    }
  }

  async #checkCached(root: CID): Promise<void> {
    const { headers } = this.#exchange.request
    if (!/\bonly-if-cached\b/i.test(headers['cache-control'] ?? '')) return
    if (await this.#node.blocks.has(root)) return
    throw new GatewayError(412, `${String(root)} is not in this gateway's store`)
  }

  #headers(path: ContentPath, { wanted, location }: Negotiated, etag: string): OutgoingHttpHeaders {
    const filename = this.#url.searchParams.get('filename')
    return {
      ...this.#base,
      etag,
      'cache-control': forever,
      'content-type': contentType(wanted),
      'content-disposition': disposition(path.root, path.segments, wanted.format, filename),
      'x-content-type-options': 'nosniff',
      'accept-ranges': 'none',
      ...(location == null ? {} : { 'content-location': location })
    }
  }

  async #sendRaw({ root }: ContentPath, headers: OutgoingHttpHeaders): Promise<void> {
    const { request, response } = this.#exchange
    const block = await this.#get(root)
    response.writeHead(200, { ...headers, 'content-length': block.byteLength })
    response.end(request.method === 'HEAD' ? undefined : block)
  }

  async #sendCar(
    path: ContentPath,
    wanted: CarRequest,
    headers: OutgoingHttpHeaders
  ): Promise<void> {
    const { request, response, signal } = this.#exchange
    const terminus = await this.#resolve(path)
    checkRange(terminus.block, wanted)
    response.writeHead(200, headers)
    if (request.method === 'HEAD') {
      response.end()
      return
    }
    const blocks = carBlocks(terminus, wanted, this.#get)
    for await (const chunk of writeCar([terminus.block.cid], blocks)) {
      await write(response, chunk, signal)
    }
    response.end()
  }

  async #resolve(path: ContentPath): Promise<Terminus> {
    const { cid, visited } = await resolvePath(path, this.#get)
    return { block: { cid, bytes: await this.#get(cid) }, path: visited }
  }
}

function parsePath(url: URL): ContentPath {
  const [empty, namespace, root = '', ...rest] = url.pathname.split('/')
  if (empty !== '' || (namespace !== 'ipfs' && namespace !== 'ipns')) {
    throw new GatewayError(404, 'only /ipfs/{cid} is here')
  }
  if (namespace === 'ipns') throw new GatewayError(501, 'this gateway has no name system')
  try {
    const segments = rest.filter(segment => segment !== '').map(decodeURIComponent)
    return { root: parseCid(root), segments }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new GatewayError(400, `invalid path: ${why}`)
  }
}
