import { BaseDatastore } from 'datastore-core'
import type { AbortOptions } from 'abort-error'
import { Key } from 'interface-datastore'
import type { Batch, KeyQuery, Pair, Query } from 'interface-datastore'
import { InvalidParametersError, NoSpaceError, NotFoundError } from '../errors.ts'
import { orAbort, throwIfAborted } from './abort.ts'
import type { Backend, StoreContext } from './backend.ts'
import { CallBatcher } from './call-batcher.ts'
import { tooLarge } from './gather.ts'
import type { Gate } from './gate.ts'
import { queryKeys, queryPairs } from './record-query.ts'
import type { RecordAnswer, RecordOp } from './records-wire.ts'
import { SyncGroup } from './sync-group.ts'
import { inWindows } from './windows.ts'

/** The largest value, in bytes. */
export const MAX_VALUE_BYTES = 64 * 1024 * 1024
/** The longest key, in bytes of UTF-8. */
export const MAX_KEY_BYTES = 64 * 1024

const BATCH = { maxCalls: 4096, maxBytes: 8 * 1024 * 1024, maxInFlight: 2 }
const WINDOW = { maxItems: 512, maxBytes: 4 * 1024 * 1024, maxWindows: 3 }

/**
 * The keyed records of a repo: interface-datastore 10, in SQLite inside the pool. Made by
 * `openRepo`. Keys are bytes, whatever is in them, and are ordered as bytes. A `batch()` is one
 * transaction: all of it or nothing.
 *
 * Errors: NotFoundError, TooLargeError, NoSpaceError, CorruptError, DeviceError, ClosedError, and
 * the reason of an aborted signal.
 */
export class ZfsDatastore extends BaseDatastore {
  readonly #gate: Gate<Backend>
  readonly #durability: StoreContext['durability']
  readonly #calls: CallBatcher<RecordOp[], RecordAnswer[]>
  readonly #syncs: SyncGroup

  /** @internal */
  constructor(gate: Gate<Backend>, { native, durability }: StoreContext) {
    super()
    this.#gate = gate
    this.#durability = durability
    this.#calls = new CallBatcher(BATCH, async calls => {
      const answers = await gate.subject.records.run(calls.flat())
      let at = 0
      return calls.map(({ length }) => answers.slice(at, (at += length)))
    })
    this.#syncs = new SyncGroup(async () => native.syncPool(gate.subject.pool))
  }

  /** Resolves when the record is acknowledged (see `durability` of openRepo). */
  override async put(key: Key, value: Uint8Array, options?: AbortOptions): Promise<Key> {
    await this.#change([putOp(key, value)], options)
    return key
  }

  override async get(key: Key, options?: AbortOptions): Promise<Uint8Array> {
    const [value] = await this.#ask([{ kind: 'get', key: key.uint8Array() }], options)
    return foundValue(key, value)
  }

  override async has(key: Key, options?: AbortOptions): Promise<boolean> {
    const [is] = await this.#ask([{ kind: 'has', key: key.uint8Array() }], options)
    return is === true
  }

  /** Deleting what is not there is no error. */
  override async delete(key: Key, options?: AbortOptions): Promise<void> {
    await this.#change([{ kind: 'delete', key: key.uint8Array() }], options)
  }

  /** In transactions of up to 512 records or 4 MiB; the source is read that far ahead. */
  override async *putMany(
    source: Iterable<Pair> | AsyncIterable<Pair>,
    options?: AbortOptions
  ): AsyncGenerator<Key> {
    const windows = inWindows(source, {
      ...WINDOW,
      signal: options?.signal,
      prepare: ({ key, value }: Pair) => ({ key, op: putOp(key, value) }),
      bytesOf: ({ op }) => bytesOf(op),
      run: async items => this.#change(items.map(({ op }) => op))
    })
    for await (const { items } of windows) {
      for (const { key } of items) {
        yield key
      }
    }
  }

  override async *getMany(
    source: Iterable<Key> | AsyncIterable<Key>,
    options?: AbortOptions
  ): AsyncGenerator<Pair> {
    const windows = inWindows(source, {
      ...WINDOW,
      // Sizes of values are not known before: so few that the largest fit in memory.
      maxItems: 32,
      maxWindows: 2,
      signal: options?.signal,
      prepare: (key: Key) => key,
      bytesOf: () => 0,
      run: async keys => this.#ask(keys.map(key => ({ kind: 'get', key: key.uint8Array() })))
    })
    for await (const { items, out } of windows) {
      for (let i = 0; i < items.length; i++) {
        const key = items[i] as Key
        yield { key, value: foundValue(key, out[i]) }
      }
    }
  }

  override async *deleteMany(
    source: Iterable<Key> | AsyncIterable<Key>,
    options?: AbortOptions
  ): AsyncGenerator<Key> {
    const windows = inWindows(source, {
      ...WINDOW,
      signal: options?.signal,
      prepare: (key: Key) => key,
      bytesOf: () => 0,
      run: async keys => this.#change(keys.map(key => ({ kind: 'delete', key: key.uint8Array() })))
    })
    for await (const { items } of windows) {
      yield* items
    }
  }

  /** Collects changes; `commit` makes them in the order given, as one transaction. */
  override batch(): Batch {
    let ops: RecordOp[] = []
    return {
      put: (key, value) => {
        ops.push(putOp(key, value))
      },
      delete: key => {
        ops.push({ kind: 'delete', key: key.uint8Array() })
      },
      commit: async options => {
        throwIfAborted(options)
        const all = ops
        ops = []
        if (all.length > 0) {
          await this.#change(all, options)
        }
      }
    }
  }

  /**
   * Ordered by key, unless `orders` say otherwise (those are kept in memory to be sorted). Read in
   * pages as the consumer asks: records put or deleted meanwhile may or may not appear.
   */
  override query(query: Query, options?: AbortOptions): AsyncGenerator<Pair> {
    return queryPairs(this.#gate, query, options)
  }

  /** As `query`, without reading the values. */
  override queryKeys(query: KeyQuery, options?: AbortOptions): AsyncGenerator<Key> {
    return queryKeys(this.#gate, query, options)
  }

  async #ask(ops: RecordOp[], options?: AbortOptions): Promise<RecordAnswer[]> {
    throwIfAborted(options)
    return this.#gate.run(async () => this.#calls.call(ops, sizeOf(ops), options?.signal))
  }

  async #change(ops: RecordOp[], options?: AbortOptions): Promise<void> {
    throwIfAborted(options)
    await this.#gate.run(async backend => {
      try {
        await this.#calls.call(ops, sizeOf(ops), options?.signal)
      } catch (error) {
        if (!(error instanceof NoSpaceError) || !ops.every(({ kind }) => kind === 'delete')) {
          throw error
        }
        await deleteWhenFull(backend, ops)
      }
      if (this.#durability === 'txg') {
        await orAbort(this.#syncs.wait(), options?.signal)
      }
    })
  }
}

/** In one transaction still; its log is moved to the database and begins anew, to stay small. */
async function deleteWhenFull({ records, reserve }: Backend, ops: RecordOp[]): Promise<void> {
  await reserve.lend(async () => {
    await records.checkpoint()
    await records.run(ops)
    await records.checkpoint()
  })
}

function putOp(key: Key, value: Uint8Array): RecordOp {
  const bytes = key.uint8Array()
  if (bytes.byteLength > MAX_KEY_BYTES) {
    throw tooLarge(`key ${key.toString().slice(0, 64)}…`, bytes.byteLength, MAX_KEY_BYTES)
  }
  if (!(value instanceof Uint8Array)) {
    throw new InvalidParametersError(`record ${key.toString()}: the value must be a Uint8Array`)
  }
  if (value.byteLength > MAX_VALUE_BYTES) {
    throw tooLarge(`record ${key.toString()}`, value.byteLength, MAX_VALUE_BYTES)
  }
  return { kind: 'put', key: bytes, value }
}

function foundValue(key: Key, answer: RecordAnswer): Uint8Array {
  if (answer instanceof Uint8Array) {
    return answer
  }
  throw new NotFoundError(`record ${key.toString()} is not in this repo`)
}

function bytesOf({ key, value }: RecordOp): number {
  return key.byteLength + (value?.byteLength ?? 0)
}

function sizeOf(ops: RecordOp[]): number {
  let bytes = 0
  for (const op of ops) {
    bytes += bytesOf(op)
  }
  return bytes
}
