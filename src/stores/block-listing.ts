import type { AbortOptions } from 'abort-error'
import type { Pair } from 'interface-blockstore'
import type { CID } from 'multiformats/cid'
import { BusyError } from '../errors.ts'
import type { GotBlock, ScanPage } from '../native.ts'
import { orAbort } from './abort.ts'
import type { Backend } from './backend.ts'
import { namingBlock, notFound, rawCid } from './block-errors.ts'
import type { Gate } from './gate.ts'

/** Blocks named in one page of a listing. */
const PAGE_BLOCKS = 1024
/** Read ahead of a consumer that asks for block after block, at most. */
const AHEAD_BLOCKS = 256
const AHEAD_BYTES = 4 * 1024 * 1024

/** Reads the blocks of one page, ahead once its consumer has shown that it reads them in a row. */
class PageReader {
  readonly #gate: Gate<Backend>
  readonly #page: ScanPage
  #nextInRow = 0
  #ahead = 1
  #chunk: { from: number; to: number; blocks: Promise<GotBlock[]> } | undefined

  constructor(gate: Gate<Backend>, page: ScanPage) {
    this.#gate = gate
    this.#page = page
  }

  async read(index: number): Promise<GotBlock> {
    let chunk = this.#chunk
    if (chunk == null || index < chunk.from || index >= chunk.to) {
      this.#ahead = index === this.#nextInRow ? Math.min(this.#ahead * 2, AHEAD_BLOCKS) : 1
      chunk = this.#readChunk(index)
      this.#chunk = chunk
    }
    this.#nextInRow = index + 1
    const blocks = await chunk.blocks
    return blocks[index - chunk.from]
  }

  #readChunk(from: number): { from: number; to: number; blocks: Promise<GotBlock[]> } {
    const { multihashes, sizesBytes } = this.#page
    let to = from + 1
    let bytes = sizesBytes[from] ?? 0
    while (to < multihashes.length && to - from < this.#ahead) {
      bytes += sizesBytes[to] ?? 0
      if (bytes > AHEAD_BYTES) {
        break
      }
      to++
    }
    const wanted = multihashes.slice(from, to)
    return { from, to, blocks: this.#gate.run(async ({ store }) => store.get(wanted)) }
  }
}

async function* lazyBytes(
  cid: CID,
  reader: PageReader,
  index: number,
  signal: AbortSignal | undefined
): AsyncGenerator<Uint8Array> {
  signal?.throwIfAborted()
  const got = await orAbort(reader.read(index), signal)
  if (!(got instanceof Uint8Array)) {
    throw got == null ? notFound(cid) : namingBlock(cid, got)
  }
  yield got
}

/** Pages through the store by digest; BusyError when the repo is rolled back meanwhile. */
export async function* listBlocks(
  gate: Gate<Backend>,
  options?: AbortOptions
): AsyncGenerator<Pair> {
  const signal = options?.signal
  signal?.throwIfAborted()
  const { generation } = gate
  let from: Uint8Array | undefined
  do {
    const scan = gate.run(async ({ store }) => {
      if (gate.generation !== generation) {
        throw new BusyError(
          'the repo was rolled back while its blocks were listed: list them again'
        )
      }
      return store.scan(from, PAGE_BLOCKS)
    })
    const page = await orAbort(scan, signal)
    const reader = new PageReader(gate, page)
    for (let i = 0; i < page.multihashes.length; i++) {
      const multihash = page.multihashes[i] as Uint8Array
      if (multihash.byteLength === 0) {
        // Of an uncommon hash function, and kept in a record that is damaged: repo verify says so.
        continue
      }
      const cid = rawCid(multihash)
      yield { cid, bytes: lazyBytes(cid, reader, i, signal) }
      signal?.throwIfAborted()
    }
    from = page.next
  } while (from != null)
}
