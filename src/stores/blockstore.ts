import { BaseBlockstore } from 'blockstore-core'
import type { AbortOptions } from 'abort-error'
import type { InputPair, Pair } from 'interface-blockstore'
import type { CID } from 'multiformats/cid'
import { InvalidParametersError, NoSpaceError } from '../errors.ts'
import type { Durability, GotBlock } from '../native.ts'
import { orAbort, throwIfAborted } from './abort.ts'
import type { Backend, StoreContext } from './backend.ts'
import { namingBlock, notFound } from './block-errors.ts'
import { listBlocks } from './block-listing.ts'
import { CallBatcher } from './call-batcher.ts'
import { gather, tooLarge, type Pieces } from './gather.ts'
import type { Gate } from './gate.ts'
import { inWindows } from './windows.ts'

/** The largest block, in bytes. Bitswap carries at most half of that. */
export const MAX_BLOCK_BYTES = 4 * 1024 * 1024
/** The longest multihash, in bytes. */
export const MAX_MULTIHASH_BYTES = 128

const IDENTITY = 0x00

/** One native batch: enough for its fixed cost to vanish, small enough to overlap with others. */
const WINDOW = { maxItems: 1024, maxBytes: 8 * 1024 * 1024 }
const WINDOWS_IN_FLIGHT = 3
const BATCH = { maxCalls: 1024, maxBytes: WINDOW.maxBytes, maxInFlight: 4 }
/** So few blocks are read without asking for their sizes first: 64 MiB at the very most. */
const UNSIZED_READ = 16

/** The outputs of calls that give none. */
const NOTHING: ArrayLike<undefined> = []

interface PutInput {
  multihash: Uint8Array
  bytes: Uint8Array
}

interface GotWindow {
  cids: CID[]
  /** Undefined, too, where nothing was asked of the store. */
  blocks: ArrayLike<GotBlock>
}

/**
 * The blocks of a repo: interface-blockstore 7. Made by `openRepo`.
 *
 * A store knows multihashes, not CIDs: what was put under one CID is found under every other with
 * the same multihash, and `getAll` gives CIDv1 raw. Bytes are not hashed again (as in the other JS
 * stores); see verifyBlock. The bytes given to a put must not change until it resolves or, when it
 * is aborted, ever again. Identity CIDs carry their bytes and are never stored.
 *
 * Errors: NotFoundError, CorruptError and DeviceError (naming the CID), TooLargeError,
 * InvalidParametersError, NoSpaceError, ClosedError, and the reason of an aborted signal.
 */
export class ZfsBlockstore extends BaseBlockstore {
  readonly #gate: Gate<Backend>
  readonly #context: StoreContext
  readonly #puts: CallBatcher<PutInput, undefined>
  readonly #gets: CallBatcher<Uint8Array, GotBlock>
  readonly #sizes: CallBatcher<Uint8Array, number>
  readonly #removes: CallBatcher<Uint8Array, undefined>

  /** @internal */
  constructor(gate: Gate<Backend>, context: StoreContext) {
    super()
    this.#gate = gate
    this.#context = context
    const { durability } = context
    this.#puts = new CallBatcher(BATCH, async inputs => {
      const multihashes = inputs.map(input => input.multihash)
      const blocks = inputs.map(input => input.bytes)
      await this.#store(gate.subject.store, multihashes, blocks)
      return NOTHING
    })
    this.#gets = new CallBatcher(BATCH, async inputs => gate.subject.store.get(inputs))
    this.#sizes = new CallBatcher(BATCH, async inputs => gate.subject.store.sizes(inputs))
    this.#removes = new CallBatcher(BATCH, async inputs => {
      await removeBlocks(gate.subject, inputs, durability)
      return NOTHING
    })
  }

  /** Resolves when the block is acknowledged (see `durability` of openRepo). */
  override async put(cid: CID, value: Pieces, options?: AbortOptions): Promise<CID> {
    throwIfAborted(options)
    const signal = options?.signal
    const checked = checkPut(cid, value)
    const bytes = checked instanceof Uint8Array ? checked : await orAbort(checked, signal)
    if (cid.multihash.code === IDENTITY) {
      return cid
    }
    const input = { multihash: cid.multihash.bytes, bytes }
    await this.#gate.run(async () => this.#puts.call(input, bytes.byteLength, signal))
    return cid
  }

  override async *get(cid: CID, options?: AbortOptions): AsyncGenerator<Uint8Array> {
    throwIfAborted(options)
    if (cid.multihash.code === IDENTITY) {
      yield cid.multihash.digest
      return
    }
    if (!isStorable(cid)) {
      throw notFound(cid)
    }
    const { bytes } = cid.multihash
    const now = this.#gate.now?.store.getNow(bytes)
    const got =
      now === undefined
        ? await this.#gate.run(async () => this.#gets.call(bytes, 0, options?.signal))
        : (now ?? undefined)
    yield bytesOf(cid, got)
  }

  override async has(cid: CID, options?: AbortOptions): Promise<boolean> {
    return (await this.size(cid, options)) != null
  }

  /** The block's length in bytes without reading it; undefined where there is none. */
  async size(cid: CID, options?: AbortOptions): Promise<number | undefined> {
    throwIfAborted(options)
    if (cid.multihash.code === IDENTITY) {
      return cid.multihash.digest.byteLength
    }
    if (!isStorable(cid)) {
      return undefined
    }
    const { bytes } = cid.multihash
    const size =
      this.#gate.now?.store.sizeNow(bytes) ??
      (await this.#gate.run(async () => this.#sizes.call(bytes, 0, options?.signal)))
    return size < 0 ? undefined : size
  }

  /** Deleting what is not there is no error. */
  override async delete(cid: CID, options?: AbortOptions): Promise<void> {
    throwIfAborted(options)
    if (isStorable(cid)) {
      const { bytes } = cid.multihash
      await this.#gate.run(async () => this.#removes.call(bytes, 0, options?.signal))
    }
  }

  /** Reads the source ahead of its consumer: up to 4 windows of 1,024 blocks or 8 MiB. */
  override async *putMany(
    source: Iterable<InputPair> | AsyncIterable<InputPair>,
    options?: AbortOptions
  ): AsyncGenerator<CID> {
    const windows = inWindows(source, {
      ...WINDOW,
      maxWindows: WINDOWS_IN_FLIGHT,
      signal: options?.signal,
      prepare: preparePut,
      bytesOf: pair => pair.bytes.byteLength,
      run: async pairs => this.#gate.run(async ({ store }) => this.#putWindow(store, pairs))
    })
    for await (const { items } of windows) {
      for (const { cid } of items) {
        yield cid
      }
    }
  }

  /**
   * In source order, reading ahead. A missing or damaged block does not end the listing: its own
   * `bytes` throw, when they are asked for.
   */
  override async *getMany(
    source: Iterable<CID> | AsyncIterable<CID>,
    options?: AbortOptions
  ): AsyncGenerator<Pair> {
    const windows = inWindows(this.#readable(source, options), {
      maxItems: 1,
      maxBytes: Infinity,
      maxWindows: WINDOWS_IN_FLIGHT,
      signal: options?.signal,
      prepare: cids => cids,
      bytesOf: () => 0,
      run: async ([cids = []]) => this.#gate.run(async ({ store }) => getWindow(store, cids))
    })
    for await (const { out } of windows) {
      const { cids, blocks } = out
      for (let i = 0; i < cids.length; i++) {
        const cid = cids[i] as CID
        yield { cid, bytes: oneChunk(cid, blocks[i]) }
      }
    }
  }

  override async *deleteMany(
    source: Iterable<CID> | AsyncIterable<CID>,
    options?: AbortOptions
  ): AsyncGenerator<CID> {
    const { durability } = this.#context
    const windows = inWindows(source, {
      ...WINDOW,
      maxWindows: WINDOWS_IN_FLIGHT,
      signal: options?.signal,
      prepare: (cid: CID) => cid,
      bytesOf: () => 0,
      run: async cids =>
        this.#gate.run(async backend => {
          const multihashes = multihashesOf(cids)
          if (multihashes.length > 0) {
            await removeBlocks(backend, multihashes, durability)
          }
        })
    })
    for await (const { items } of windows) {
      yield* items
    }
  }

  /**
   * Every block there is, ordered by digest, as CIDv1 raw: a store does not know codecs. Blocks put
   * or deleted meanwhile may or may not appear. Bytes are read when asked for, and ahead of a
   * consumer that asks for one after the other; a block deleted before that gives NotFoundError.
   */
  override getAll(options?: AbortOptions): AsyncGenerator<Pair> {
    return listBlocks(this.#gate, options)
  }

  async #putWindow(store: Backend['store'], pairs: PreparedPair[]): Promise<void> {
    const multihashes: Uint8Array[] = []
    const blocks: Uint8Array[] = []
    for (const { cid, bytes } of pairs) {
      if (cid.multihash.code !== IDENTITY) {
        multihashes.push(cid.multihash.bytes)
        blocks.push(bytes)
      }
    }
    if (blocks.length > 0) {
      await this.#store(store, multihashes, blocks)
    }
  }

  async #store(
    store: Backend['store'],
    multihashes: Uint8Array[],
    blocks: Uint8Array[]
  ): Promise<void> {
    const { around, durability } = this.#context
    const put = async () => store.put(multihashes, blocks, durability)
    await (around == null ? put() : around(multihashes, put))
  }

  /** The source cut so that no piece holds more than 8 MiB of blocks, or one block. */
  async *#readable(
    source: Iterable<CID> | AsyncIterable<CID>,
    options?: AbortOptions
  ): AsyncGenerator<CID[]> {
    const windows = inWindows(source, {
      ...WINDOW,
      maxWindows: 1,
      signal: options?.signal,
      prepare: (cid: CID) => cid,
      bytesOf: () => 0,
      run: async cids => this.#gate.run(async ({ store }) => sizesForRead(store, cids))
    })
    for await (const { items, out: sizes } of windows) {
      let from = 0
      let bytes = 0
      for (let i = 0; i < items.length; i++) {
        const size = sizes?.[i] ?? 0
        if (i > from && bytes + size > WINDOW.maxBytes) {
          yield items.slice(from, i)
          from = i
          bytes = 0
        }
        bytes += size
      }
      yield items.slice(from)
    }
  }
}

/** Also when the pool is full: a delete writes a little before it gives space back. */
async function removeBlocks(
  { store, reserve }: Backend,
  multihashes: Uint8Array[],
  durability: Durability
): Promise<void> {
  try {
    await store.remove(multihashes, durability)
  } catch (error) {
    if (!(error instanceof NoSpaceError)) {
      throw error
    }
    await reserve.lend(async () => store.remove(multihashes, durability))
  }
}

interface PreparedPair {
  cid: CID
  bytes: Uint8Array
}

/** Says no before a native batch does, which would fail the others in it too. */
function checkPut(cid: CID, value: Pieces): Uint8Array | Promise<Uint8Array> {
  if (cid.multihash.bytes.byteLength > MAX_MULTIHASH_BYTES && cid.multihash.code !== IDENTITY) {
    throw new InvalidParametersError(
      `the multihash of ${cid.toString()} has ${cid.multihash.bytes.byteLength} bytes; ` +
        `at most ${MAX_MULTIHASH_BYTES} are stored`
    )
  }
  if (!(value instanceof Uint8Array)) {
    return gather(value, MAX_BLOCK_BYTES, `block ${cid.toString()}`)
  }
  if (value.byteLength > MAX_BLOCK_BYTES) {
    throw tooLarge(`block ${cid.toString()}`, value.byteLength, MAX_BLOCK_BYTES)
  }
  return value
}

function preparePut(pair: InputPair): PreparedPair | Promise<PreparedPair> {
  const { cid } = pair
  const bytes = checkPut(cid, pair.bytes)
  return bytes instanceof Uint8Array
    ? (pair as PreparedPair)
    : bytes.then(gathered => ({ cid, bytes: gathered }))
}

/** False for what no store can hold: identity, and multihashes over the limit. */
function isStorable({ multihash }: CID): boolean {
  return multihash.code !== IDENTITY && multihash.bytes.byteLength <= MAX_MULTIHASH_BYTES
}

function multihashesOf(cids: CID[]): Uint8Array[] {
  const multihashes: Uint8Array[] = []
  for (const cid of cids) {
    if (isStorable(cid)) {
      multihashes.push(cid.multihash.bytes)
    }
  }
  return multihashes
}

/** What was got for multihashesOf(cids), with gaps where nothing was asked. */
function inPlaces<T>(cids: CID[], got: ArrayLike<T>): ArrayLike<T | undefined> {
  if (got.length === cids.length) {
    return got
  }
  let next = 0
  return cids.map(cid => (isStorable(cid) ? got[next++] : undefined))
}

/** Undefined for so few blocks that their sizes do not matter. */
async function sizesForRead(
  store: Backend['store'],
  cids: CID[]
): Promise<ArrayLike<number | undefined> | undefined> {
  const multihashes = multihashesOf(cids)
  return multihashes.length <= UNSIZED_READ
    ? undefined
    : inPlaces(cids, await store.sizes(multihashes))
}

async function getWindow(store: Backend['store'], cids: CID[]): Promise<GotWindow> {
  const multihashes = multihashesOf(cids)
  const got = multihashes.length > 0 ? await store.get(multihashes) : []
  return { cids, blocks: inPlaces(cids, got) }
}

function bytesOf(cid: CID, got: GotBlock): Uint8Array {
  if (got instanceof Uint8Array) {
    return got
  }
  if (cid.multihash.code === IDENTITY) {
    return cid.multihash.digest
  }
  throw got == null ? notFound(cid) : namingBlock(cid, got)
}

function* oneChunk(cid: CID, got: GotBlock): Generator<Uint8Array> {
  yield bytesOf(cid, got)
}
