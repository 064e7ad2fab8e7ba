import type { AbortOptions } from 'abort-error'
import type { CID } from 'multiformats/cid'
import type { GetBlock } from '../unixfs/blocks.ts'
import { coverDag, walkDag } from '../unixfs/walk.ts'
import type { Blocks } from './blocks.ts'
import type { Pins } from './pins.ts'

/** One call of `deleteMany` for this many blocks. */
const deleteBatch = 1024

/**
 * Deletes every block that no pin covers, and yields the CIDs (raw: a store knows no codecs). The
 * caller holds the lock against adding. A pin whose DAG is incomplete stops it before it deletes.
 */
export async function* collectGarbage(
  blocks: Blocks,
  pins: Pins,
  options: AbortOptions = {}
): AsyncGenerator<CID> {
  const live = await liveMultihashes(blocks, pins, options)
  let batch: CID[] = []
  for await (const { cid } of blocks.store.getAll(options)) {
    if (live.has(multihashKey(cid))) continue
    batch.push(cid)
    if (batch.length < deleteBatch) continue
    yield* blocks.store.deleteMany(batch, options)
    batch = []
  }
  yield* blocks.store.deleteMany(batch, options)
}

async function liveMultihashes(
  blocks: Blocks,
  pins: Pins,
  options: AbortOptions
): Promise<Set<string>> {
  const live = new Set<string>()
  const seen = new Set<string>()
  const get = blocks.reader({ ...options, offline: true })
  for await (const pin of pins.roots(options)) {
    if (pin.mode === 'direct') {
      live.add(multihashKey(pin.cid))
      continue
    }
    try {
      for await (const { cid } of coverDag(pin.cid, get, seen)) live.add(multihashKey(cid))
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      throw new Error(`could not retrieve links for ${String(pin.cid)}: ${why}`, { cause: error })
    }
  }
  return live
}

function multihashKey(cid: CID): string {
  return Buffer.from(cid.multihash.bytes).toString('latin1')
}

/** Whether a recursive pin covers the block, and which. Walks: for a few questions, not many. */
export async function pinnedThrough(
  target: CID,
  pins: Pins,
  get: GetBlock,
  options: AbortOptions = {}
): Promise<CID | undefined> {
  const wanted = multihashKey(target)
  for await (const pin of pins.list(options)) {
    if (pin.mode === 'direct' || multihashKey(pin.cid) === wanted) continue
    for await (const { cid } of walkDag(pin.cid, get)) {
      if (multihashKey(cid) === wanted) return pin.cid
    }
  }
  return undefined
}

/** What recursive pins cover and no pin names. Walks all of them. */
export async function* collectPinned(
  pins: Pins,
  get: GetBlock,
  options: AbortOptions = {}
): AsyncGenerator<CID> {
  const named = new Set<string>()
  for await (const pin of pins.list(options)) named.add(pin.cid.toString())
  const seen = new Set<string>()
  for await (const pin of pins.list(options)) {
    if (pin.mode === 'direct') continue
    for await (const { cid } of walkDag(pin.cid, get, { seen })) {
      if (!named.has(cid.toString())) yield cid
    }
  }
}
