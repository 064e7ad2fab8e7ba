import type { AbortOptions } from 'abort-error'
import { startsWith } from './keys.ts'
import type { Comparison, Filter, Order, Query } from './query.ts'
import { entriesOf, hasBlocks, type Entry, type Wanted } from './query-entries.ts'
import { inOrder, type Compare } from './query-order.ts'
import type { Space } from './space.ts'

/** The entries that a query asks for, in its order, with bounded memory. */
export async function* runQuery(
  space: Space,
  query: Query,
  options: AbortOptions
): AsyncGenerator<Entry> {
  const { filters, orders, offset, limit, keysOnly, sizes } = query
  const wanted: Wanted = {
    values: !keysOnly || [...filters, ...orders].some(usesValue),
    sizes: sizes || !keysOnly
  }
  const passes = filters.map(predicateOf)
  const source = async function* (): AsyncGenerator<Entry> {
    for await (const entry of entriesOf(space, query, wanted, options)) {
      if (passes.every(pass => pass(entry))) {
        yield entry
      }
    }
  }
  const most = offset + limit
  const entries = isOrdered(space, query) ? source() : inOrder(source, compareOf(orders), most)
  let index = 0
  for await (const entry of entries) {
    if (index >= most) {
      return
    }
    if (index >= offset) {
      yield entry
    }
    index++
    if (index >= most) {
      return
    }
  }
}

/** Whether the source has the order already: it is asked for none, or for that of the records. */
function isOrdered(space: Space, query: Query): boolean {
  const [first] = query.orders
  return first == null || (first.by === 'key' && !first.descending && !hasBlocks(space, query))
}

function usesValue(part: Filter | Order): boolean {
  return 'by' in part ? part.by === 'value' : part.kind === 'value'
}

function predicateOf(filter: Filter): (entry: Entry) => boolean {
  switch (filter.kind) {
    case 'keyPrefix':
      return ({ key }) => startsWith(key, filter.prefix)
    case 'key':
      return ({ key }) => holds(filter.op, Buffer.compare(key, filter.key))
    case 'value':
      return ({ value }) => holds(filter.op, Buffer.compare(value ?? EMPTY, filter.value))
  }
}

const EMPTY = new Uint8Array(0)

function holds(op: Comparison, compared: number): boolean {
  switch (op) {
    case '==':
      return compared === 0
    case '!=':
      return compared !== 0
    case '<':
      return compared < 0
    case '<=':
      return compared <= 0
    case '>':
      return compared > 0
    case '>=':
      return compared >= 0
  }
}

/** By each order in turn, and by key where all are equal. */
function compareOf(orders: Order[]): Compare {
  return (a, b) => {
    for (const { by, descending } of orders) {
      const compared =
        by === 'key'
          ? Buffer.compare(a.key, b.key)
          : Buffer.compare(a.value ?? EMPTY, b.value ?? EMPTY)
      if (compared !== 0) {
        return descending ? -compared : compared
      }
    }
    return Buffer.compare(a.key, b.key)
  }
}
