import { malformed, type RequestError } from './failure.ts'

export type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>='

export type Filter =
  | { kind: 'key'; op: Comparison; key: Uint8Array }
  | { kind: 'keyPrefix'; prefix: Uint8Array }
  | { kind: 'value'; op: Comparison; value: Uint8Array }

export interface Order {
  by: 'key' | 'value'
  descending: boolean
}

/** Applied in this order: prefix, filters, orders, offset, limit. As in go-datastore. */
export interface Query {
  /** Empty, or components without a slash at the end: `/a` is `/a/b`, not `/ab` and not `/a`. */
  prefix: string
  filters: Filter[]
  orders: Order[]
  offset: number
  /** Infinity: all. */
  limit: number
  keysOnly: boolean
  /** Lengths of the values even where only keys are asked for. */
  sizes: boolean
}

type Fields = Record<string, unknown>

const COMPARISONS: readonly Comparison[] = ['==', '!=', '<', '<=', '>', '>=']
const FIELDS = ['prefix', 'filters', 'orders', 'offset', 'limit', 'keysOnly', 'sizes']

function bad(message: string): RequestError {
  return malformed('ERR_MALFORMED_QUERY', message)
}

export function parseQuery(body: Uint8Array): Query {
  const query = fieldsOf(parseJson(body), FIELDS, 'the query')
  const limit = wholeNumber(query, 'limit')
  return {
    prefix: prefixOf(query['prefix'] ?? ''),
    filters: listOf(query, 'filters').map(filterOf),
    orders: listOf(query, 'orders').map(orderOf),
    offset: wholeNumber(query, 'offset'),
    limit: limit === 0 ? Infinity : limit,
    keysOnly: flag(query, 'keysOnly'),
    sizes: flag(query, 'sizes')
  }
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    throw bad('the query is not JSON')
  }
}

function fieldsOf(value: unknown, known: string[], what: string): Fields {
  if (typeof value !== 'object' || value == null || Array.isArray(value)) {
    throw bad(`${what} is not an object`)
  }
  const unknown = Object.keys(value).find(name => !known.includes(name))
  if (unknown != null) {
    throw bad(`${what} has no field ${unknown}; its fields are ${known.join(', ')}`)
  }
  return value as Fields
}

function prefixOf(value: unknown): string {
  if (typeof value !== 'string' || !/^(\/.*)?$/s.test(value)) {
    throw bad('a prefix is empty or begins with /')
  }
  return value.replace(/\/+$/, '')
}

function listOf(query: Fields, name: string): unknown[] {
  const list = query[name] ?? []
  if (!Array.isArray(list) || list.length > 16) {
    throw bad(`${name} is a list of at most 16`)
  }
  return list as unknown[]
}

function wholeNumber(query: Fields, name: string): number {
  const value = query[name] ?? 0
  if (!Number.isSafeInteger(value) || (value as number) < 0) {
    throw bad(`${name} is a whole number`)
  }
  return value as number
}

function flag(fields: Fields, name: string): boolean {
  const value = fields[name] ?? false
  if (typeof value !== 'boolean') {
    throw bad(`${name} is true or false`)
  }
  return value
}

function orderOf(value: unknown): Order {
  const order = fieldsOf(value, ['by', 'descending'], 'an order')
  const { by } = order
  if (by !== 'key' && by !== 'value') {
    throw bad('an order is by key or value')
  }
  return { by, descending: flag(order, 'descending') }
}

function filterOf(value: unknown): Filter {
  const filter = fieldsOf(value, ['kind', 'op', 'key', 'prefix', 'value'], 'a filter')
  switch (filter['kind']) {
    case 'key':
      return { kind: 'key', op: comparisonOf(filter), key: bytesOf(filter, 'key') }
    case 'keyPrefix':
      return { kind: 'keyPrefix', prefix: bytesOf(filter, 'prefix') }
    case 'value':
      return { kind: 'value', op: comparisonOf(filter), value: bytesOf(filter, 'value') }
    default:
      throw bad('a filter is of kind key, keyPrefix or value')
  }
}

function comparisonOf({ op }: Fields): Comparison {
  const found = COMPARISONS.find(known => known === op)
  if (found == null) {
    throw bad(`op is one of ${COMPARISONS.join(' ')}`)
  }
  return found
}

/** Base64: neither values nor keys need be UTF-8. */
function bytesOf(fields: Fields, name: string): Uint8Array {
  const text = fields[name]
  if (typeof text !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) {
    throw bad(`${name} of a filter is base64`)
  }
  return Buffer.from(text, 'base64')
}
