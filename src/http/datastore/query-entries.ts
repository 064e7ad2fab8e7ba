import type { AbortOptions } from 'abort-error'
import type { Pair } from 'interface-blockstore'
import { NotFoundError } from '../../errors.ts'
import { MAX_BLOCK_BYTES } from '../../stores/blockstore.ts'
import { gather } from '../../stores/gather.ts'
import { keyOfBlock } from './keys.ts'
import type { Query } from './query.ts'
import type { Space } from './space.ts'

export interface Entry {
  key: Uint8Array
  value?: Uint8Array
  size?: number
}

/** What the source must bring for each entry. */
export interface Wanted {
  values: boolean
  sizes: boolean
}

/** Lengths asked of the block store in one go. */
const SIZES_WINDOW = 256

/** Whether blocks are under the prefix: they are the names of one component. */
export function hasBlocks({ blockPrefix }: Space, { prefix }: Query): boolean {
  return blockPrefix != null && (prefix === '' || Buffer.from(prefix).equals(blockPrefix))
}

/** Every entry under the prefix: records ordered by key, then blocks. Paged, so memory is bounded. */
export async function* entriesOf(
  space: Space,
  query: Query,
  wanted: Wanted,
  options: AbortOptions
): AsyncGenerator<Entry> {
  yield* records(space, query, wanted, options)
  if (hasBlocks(space, query)) {
    yield* wanted.values ? blocks(space, options) : blockKeys(space, wanted, options)
  }
}

async function* records(
  { stores, recordPrefix }: Space,
  query: Query,
  { values, sizes }: Wanted,
  options: AbortOptions
): AsyncGenerator<Entry> {
  const from = recordPrefix.byteLength
  const prefix = `${Buffer.from(recordPrefix).toString()}${query.prefix}/`
  if (!values && !sizes) {
    for await (const key of stores.records.queryKeys({ prefix }, options)) {
      yield { key: key.uint8Array().subarray(from) }
    }
    return
  }
  for await (const { key, value } of stores.records.query({ prefix }, options)) {
    const name = key.uint8Array().subarray(from)
    const size = value.byteLength
    yield values ? { key: name, value, size } : { key: name, size }
  }
}

async function* blocks(space: Space, options: AbortOptions): AsyncGenerator<Entry> {
  const prefix = space.blockPrefix ?? new Uint8Array(0)
  for await (const pair of space.stores.blocks.getAll(options)) {
    const value = await bytesOf(pair)
    if (value != null) {
      yield { key: keyOfBlock(prefix, pair.cid), value, size: value.byteLength }
    }
  }
}

/** Undefined for a block that was deleted since it was listed. */
async function bytesOf({ cid, bytes }: Pair): Promise<Uint8Array | undefined> {
  try {
    return await gather(bytes, MAX_BLOCK_BYTES, `block ${cid.toString()}`)
  } catch (error) {
    if (error instanceof NotFoundError) {
      return undefined
    }
    throw error
  }
}

async function* blockKeys(
  space: Space,
  { sizes }: Wanted,
  options: AbortOptions
): AsyncGenerator<Entry> {
  const prefix = space.blockPrefix ?? new Uint8Array(0)
  let window: Pair[] = []
  for await (const pair of space.stores.blocks.getAll(options)) {
    if (!sizes) {
      yield { key: keyOfBlock(prefix, pair.cid) }
      continue
    }
    window.push(pair)
    if (window.length === SIZES_WINDOW) {
      yield* withSizes(space, prefix, window, options)
      window = []
    }
  }
  yield* withSizes(space, prefix, window, options)
}

async function* withSizes(
  { stores }: Space,
  prefix: Uint8Array,
  pairs: Pair[],
  options: AbortOptions
): AsyncGenerator<Entry> {
  const sizes = await Promise.all(pairs.map(async ({ cid }) => stores.blocks.size(cid, options)))
  for (let i = 0; i < pairs.length; i++) {
    const size = sizes[i]
    if (size != null) {
      yield { key: keyOfBlock(prefix, (pairs[i] as Pair).cid), size }
    }
  }
}
