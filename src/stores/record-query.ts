import { BaseDatastore } from 'datastore-core'
import type { AbortOptions } from 'abort-error'
import { Key } from 'interface-datastore'
import type { KeyQuery, Pair, Query } from 'interface-datastore'
import { BusyError } from '../errors.ts'
import { orAbort } from './abort.ts'
import type { Backend } from './backend.ts'
import type { Gate } from './gate.ts'
import { unpackAnswers } from './records-wire.ts'
import type { PageRequest } from './records-wire.ts'

/** What one page brings over from the worker: at most this many records, or about 1 MiB. */
const PAGE = { maxRecords: 256, maxBytes: 1024 * 1024 }

const utf8 = new TextEncoder()

/** The bytes after all those that begin with `prefix`; undefined when nothing comes after. */
function afterPrefix(prefix: Uint8Array): Uint8Array | undefined {
  for (let end = prefix.byteLength; end > 0; end--) {
    const last = prefix[end - 1] as number
    if (last < 0xff) {
      const after = prefix.slice(0, end)
      after[end - 1] = last + 1
      return after
    }
  }
  return undefined
}

type Range = Pick<Query, 'prefix' | 'offset' | 'limit'>

/** Keys, and values after each unless `keysOnly`, as the range asks. */
async function* pages(
  gate: Gate<Backend>,
  { prefix = '', offset = 0, limit = Infinity }: Range,
  keysOnly: boolean,
  signal: AbortSignal | undefined
): AsyncGenerator<Uint8Array[]> {
  signal?.throwIfAborted()
  const { generation } = gate
  const from = utf8.encode(prefix)
  const to = afterPrefix(from)
  const columns = keysOnly ? 1 : 2
  const request: PageRequest = { ...PAGE, from, withFrom: true, skip: offset, keysOnly }
  if (to != null) {
    request.to = to
  }
  let left = limit
  for (let more = left > 0; more;) {
    request.maxRecords = Math.min(PAGE.maxRecords, left)
    const asked = gate.run(async ({ records }) => {
      if (gate.generation !== generation) {
        throw new BusyError('the repo was rolled back during the query: ask again')
      }
      return records.page(request)
    })
    const page = await orAbort(asked, signal)
    const cells = unpackAnswers(page) as Uint8Array[]
    const last = cells.at(-columns)
    if (last == null) {
      return
    }
    left -= cells.length / columns
    more = page.more && left > 0
    Object.assign(request, { from: last, withFrom: false, skip: 0 })
    yield cells
    signal?.throwIfAborted()
  }
}

async function* allPairs(
  gate: Gate<Backend>,
  range: Range,
  signal: AbortSignal | undefined
): AsyncGenerator<Pair> {
  for await (const cells of pages(gate, range, false, signal)) {
    for (let i = 0; i < cells.length; i += 2) {
      yield { key: new Key(cells[i] as Uint8Array, false), value: cells[i + 1] as Uint8Array }
    }
  }
}

async function* allKeys(
  gate: Gate<Backend>,
  range: Range,
  signal: AbortSignal | undefined
): AsyncGenerator<Key> {
  for await (const cells of pages(gate, range, true, signal)) {
    for (const cell of cells) {
      yield new Key(cell, false)
    }
  }
}

/** SQLite does prefix, offset and limit where nothing of the caller's comes between. */
function rangeOf(query: Query | KeyQuery): Range {
  const range: Range = query.prefix == null ? {} : { prefix: query.prefix }
  if (isPlain(query)) {
    range.offset = query.offset ?? 0
    range.limit = query.limit ?? Infinity
  }
  return range
}

function isPlain({ filters = [], orders = [] }: Query | KeyQuery): boolean {
  return filters.length === 0 && orders.length === 0
}

/** Filters, orders, offset and limit in JavaScript, as every JS datastore does them. */
class CallersPart extends BaseDatastore {
  readonly #pairs: AsyncGenerator<Pair> | undefined
  readonly #keys: AsyncGenerator<Key> | undefined

  constructor(pairs?: AsyncGenerator<Pair>, keys?: AsyncGenerator<Key>) {
    super()
    this.#pairs = pairs
    this.#keys = keys
  }

  override async *_all(): AsyncGenerator<Pair> {
    yield* this.#pairs ?? []
  }

  override async *_allKeys(): AsyncGenerator<Key> {
    yield* this.#keys ?? []
  }
}

export async function* queryPairs(
  gate: Gate<Backend>,
  query: Query,
  options?: AbortOptions
): AsyncGenerator<Pair> {
  const pairs = allPairs(gate, rangeOf(query), options?.signal)
  if (isPlain(query)) {
    yield* pairs
  } else {
    yield* new CallersPart(pairs).query(query)
  }
}

export async function* queryKeys(
  gate: Gate<Backend>,
  query: KeyQuery,
  options?: AbortOptions
): AsyncGenerator<Key> {
  const keys = allKeys(gate, rangeOf(query), options?.signal)
  if (isPlain(query)) {
    yield* keys
  } else {
    yield* new CallersPart(undefined, keys).queryKeys(query)
  }
}
