import { setTimeout as sleep } from 'node:timers/promises'
import type { CID } from 'multiformats/cid'
import { rawCid } from '../stores/block-errors.ts'
import type { SharedLock } from './shared-lock.ts'
import type { PinBlocks } from './blocks.ts'
import type { Arrivals } from './arrivals.ts'
import { keyAt, keyText, packKeys, type PinCatalog } from './catalog.ts'
import { nowSeconds, readLoose } from './loose.ts'
import type { Steps } from './steps.ts'
import type { GcOptions, GcProgress } from './types.ts'

/** Looked at in one step, during which nothing is added or pinned. */
const pageBlocks = 4096

export interface GcContext {
  catalog: PinCatalog
  blocks: PinBlocks
  steps: Steps
  lock: SharedLock
  arrivals: Arrivals
  /** Blocks that somebody else has a right to, by multihash: a Helia application's pins. */
  isKept: (multihash: Uint8Array) => boolean
}

/**
 * Empties the queue of loose blocks: deletes those that nothing holds and takes the others out of
 * it. Costs what is in the queue, whatever is pinned. Yields what it deleted, as raw CIDs.
 */
export async function* collectLoose(
  context: GcContext,
  options: GcOptions = {}
): AsyncGenerator<CID> {
  const { catalog } = context
  const { signal, onProgress, maxBlocks = Infinity } = options
  const began = performance.now()
  const progress: GcProgress = { checked: 0, deleted: 0, queued: await catalog.count('loose') }
  let from: Uint8Array | undefined
  do {
    signal?.throwIfAborted()
    const limit = Math.min(pageBlocks, pageLimit(options, progress, maxBlocks))
    const page = await catalog.scan('loose', from, limit)
    const deleted = await context.lock.alone(async () =>
      context.arrivals.pause(async arriving =>
        context.steps.run(async () => sweep(context, page, arriving, options))
      )
    )
    progress.checked += page.values.length
    progress.deleted += deleted.length
    progress.queued = Math.max(0, progress.queued - page.values.length)
    onProgress?.({ ...progress })
    for (const multihash of deleted) yield rawCid(multihash)
    await slowDown(options, progress, began)
    from = page.next
  } while (from != null && progress.deleted < maxBlocks)
}

function pageLimit(options: GcOptions, { deleted }: GcProgress, maxBlocks: number): number {
  const perTurn = options.blocksPerSecond == null ? Infinity : options.blocksPerSecond / 10
  return Math.max(1, Math.min(maxBlocks - deleted, Math.ceil(perTurn)))
}

async function slowDown(options: GcOptions, progress: GcProgress, began: number): Promise<void> {
  const { blocksPerSecond, signal } = options
  if (blocksPerSecond == null) return
  const dueMs = (progress.deleted / blocksPerSecond) * 1000 - (performance.now() - began)
  if (dueMs <= 0) return
  await sleep(dueMs, undefined, signal == null ? {} : { signal }).catch((error: unknown) => {
    signal?.throwIfAborted()
    throw error
  })
}

const nothing = new Uint8Array(0)

/** What is alive is asked and deleted in one step, so nothing can come to need it in between. */
async function sweep(
  { catalog, blocks, isKept }: GcContext,
  page: { keys: Uint8Array; values: Float64Array },
  arriving: ReadonlySet<string>,
  { minAgeSeconds = 0 }: GcOptions
): Promise<Uint8Array[]> {
  const latest = nowSeconds() - minAgeSeconds
  const candidates: Uint8Array[] = []
  for (let i = 0; i < page.values.length; i++) {
    const { seconds, wasPinned } = readLoose(page.values[i] as number)
    const key = keyAt(page.keys, i)
    if (arriving.size > 0 && arriving.has(keyText(key))) continue
    if (wasPinned || seconds <= latest) candidates.push(key)
  }
  if (candidates.length === 0) return []
  const alive = await catalog.alive(packKeys(candidates))
  const dead = candidates.filter((_, i) => alive[i] === 0)
  const multihashes = await blocks.multihashes(packKeys(dead))
  const known = multihashes.filter(multihash => multihash != null)
  const kept = new Set(known.filter(isKept))
  const doomed = known.filter(multihash => !kept.has(multihash))
  // the blocks go first: a crash in between leaves a queue that has too much, never too little
  if (doomed.length > 0) await blocks.remove(doomed)
  const stays = new Set(dead.filter((_, i) => kept.has(multihashes[i] ?? nothing)))
  const out = stays.size === 0 ? candidates : candidates.filter(key => !stays.has(key))
  // no CatalogBatch: these keys differ, and finding that out for each is most of what it costs
  const gone = {
    family: 'loose',
    keys: packKeys(out),
    values: new Float64Array(out.length)
  } as const
  if (out.length > 0) await catalog.apply([gone], { freeing: true })
  return doomed
}
