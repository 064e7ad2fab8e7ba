import type { IncomingHttpHeaders } from 'node:http'

export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export type DagScope = 'block' | 'entity' | 'all'

/** Offsets of the first and last byte; negative ones count from the end, no `to` is the end. */
export interface EntityBytes {
  from: number
  to?: number
}

export interface CarRequest {
  format: 'car'
  scope: DagScope
  bytes?: EntityBytes
  /** Send a block each time that it occurs. */
  duplicates: boolean
}

export interface RawRequest {
  format: 'raw'
}

export interface Negotiated {
  wanted: RawRequest | CarRequest
  /** The address under which caches may keep the answer, when the URL alone does not tell it. */
  location?: string
}

const rawType = 'application/vnd.ipld.raw'
const carType = 'application/vnd.ipld.car'

const howToAsk =
  'this gateway gives only verifiable answers: ask with ?format=raw or ?format=car, ' +
  `or with Accept: ${rawType} or ${carType}`

interface Offer {
  type: string
  parameters: Map<string, string>
  quality: number
}

/** What a request wants: the URL says it, else the Accept header does. */
export function negotiate(url: URL, headers: IncomingHttpHeaders): Negotiated {
  const offers = parseAccept(headers.accept ?? '')
  const format = url.searchParams.get('format')
  if (format != null) {
    if (format === 'raw') return { wanted: { format } }
    if (format !== 'car') throw new GatewayError(406, `format ${format} is not served: ${howToAsk}`)
    const offer = offers.find(({ type }) => type === carType)
    return { wanted: carRequest(url.searchParams, offer?.parameters ?? new Map<string, string>()) }
  }
  let refusal: Error | undefined
  for (const { type, parameters } of offers) {
    try {
      if (type === rawType) {
        return { wanted: { format: 'raw' }, location: withFormat(url, 'raw', parameters) }
      }
      if (type === carType) {
        const wanted = carRequest(url.searchParams, parameters)
        return { wanted, location: withFormat(url, 'car', parameters) }
      }
    } catch (error) {
      refusal ??= error instanceof Error ? error : new Error(String(error))
    }
  }
  if (refusal != null) throw refusal
  const isSpecific = offers.some(({ type }) => !type.includes('*'))
  throw new GatewayError(isSpecific ? 406 : 400, howToAsk)
}

function parseAccept(header: string): Offer[] {
  const offers = header.split(',').flatMap(item => {
    const [type = '', ...rest] = item.split(';').map(part => part.trim().toLowerCase())
    if (type === '') return []
    const parameters = new Map(
      rest.map(part => {
        const [name = '', value = ''] = part.split('=')
        return [name.trim(), value.trim().replace(/^"|"$/g, '')]
      })
    )
    const quality = Number(parameters.get('q') ?? 1)
    return [{ type, parameters, quality: Number.isNaN(quality) ? 0 : quality }]
  })
  return offers.filter(({ quality }) => quality > 0).sort((a, b) => b.quality - a.quality)
}

function carRequest(query: URLSearchParams, parameters: Map<string, string>): CarRequest {
  const choose = (name: string) => query.get(`car-${name}`) ?? parameters.get(name) ?? ''
  if (!['', '1'].includes(choose('version'))) {
    throw new GatewayError(400, `unsupported ${carType} version: only version=1 is supported`)
  }
  if (!['', 'dfs', 'unk'].includes(choose('order'))) {
    throw new GatewayError(400, `unsupported ${carType} order: only dfs and unk are supported`)
  }
  const dups = choose('dups')
  if (!['', 'y', 'n'].includes(dups)) {
    throw new GatewayError(400, `unsupported ${carType} dups: it must be y or n`)
  }
  const bytes = query.get('entity-bytes')
  return {
    format: 'car',
    scope: bytes == null ? parseScope(query.get('dag-scope')) : 'entity',
    ...(bytes == null ? {} : { bytes: parseEntityBytes(bytes) }),
    duplicates: dups === 'y'
  }
}

function parseScope(given: string | null): DagScope {
  if (given == null || given === 'all') return 'all'
  if (given === 'block' || given === 'entity') return given
  throw new GatewayError(400, `unsupported dag-scope ${given}: it must be block, entity or all`)
}

function parseEntityBytes(given: string): EntityBytes {
  const match = /^(-?\d+):(-?\d+|\*)$/.exec(given)
  const from = Number(match?.[1])
  const to = match?.[2] === '*' ? undefined : Number(match?.[2])
  if (match == null || !Number.isSafeInteger(from) || (to != null && !Number.isSafeInteger(to))) {
    throw new GatewayError(400, `invalid entity-bytes ${given}: it must be from:to`)
  }
  const isBackwards = to != null && Math.sign(from || 1) === Math.sign(to || 1) && from > to
  if (isBackwards)
    throw new GatewayError(400, `invalid entity-bytes ${given}: it ends before it begins`)
  return { from, ...(to == null ? {} : { to }) }
}

function withFormat(url: URL, format: string, parameters: Map<string, string>): string {
  const query = new URLSearchParams(url.searchParams)
  query.set('format', format)
  for (const name of format === 'car' ? ['version', 'order', 'dups'] : []) {
    const value = parameters.get(name)
    if (value != null && !query.has(`car-${name}`)) query.set(`car-${name}`, value)
  }
  return `${url.pathname}?${String(query)}`
}
