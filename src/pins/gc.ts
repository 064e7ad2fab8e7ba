import { setTimeout as sleep } from 'node:timers/promises'
import type { RemovedBlocks } from '../native.ts'
import type { SharedLock } from './shared-lock.ts'
import { countOf, type PinBlocks } from './blocks.ts'
import type { Arrivals } from './arrivals.ts'
import {
  keyAt,
  keyBytes,
  keyText,
  keysWhere,
  type CatalogPage,
  type PinCatalog
} from './catalog.ts'
import { nowSeconds, readLoose } from './loose.ts'
import type { Steps } from './steps.ts'
import type { GcOptions, GcProgress } from './types.ts'

/** Looked at in one step, during which nothing is added or pinned. */
const pageBlocks = 16_384

export interface GcContext {
  catalog: PinCatalog
  blocks: PinBlocks
  steps: Steps
  lock: SharedLock
  arrivals: Arrivals
  /** Whether somebody else has a right to a block, by key. Undefined: nobody has. */
  isKept: ((key: Uint8Array) => boolean) | undefined
}

/**
 * Empties the queue of loose blocks: deletes those that nothing holds and takes the others out of
 * it. Costs what is in the queue, whatever is pinned. Yields what it deleted, a page at a time.
 */
export async function* collectLoose(
  context: GcContext,
  options: GcOptions = {}
): AsyncGenerator<RemovedBlocks> {
  const { catalog } = context
  const { signal, onProgress, maxBlocks = Infinity } = options
  const began = performance.now()
  const progress: GcProgress = { checked: 0, deleted: 0, queued: await catalog.count('loose') }
  let from: Uint8Array | undefined
  do {
    signal?.throwIfAborted()
    const limit = Math.min(pageBlocks, pageLimit(options, progress, maxBlocks))
    const page = await catalog.scan('loose', from, limit)
    const removed = await context.lock.alone(async () =>
      context.arrivals.pause(async arriving =>
        context.steps.run(async () => sweep(context, page, arriving, options))
      )
    )
    progress.checked += page.values.length
    const deleted = countOf(removed)
    progress.deleted += deleted
    progress.queued = Math.max(0, progress.queued - page.values.length)
    onProgress?.({ ...progress })
    if (deleted > 0) yield removed
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

/** What is alive is asked and deleted in one step, so nothing can come to need it in between. */
async function sweep(
  { catalog, blocks, isKept }: GcContext,
  page: CatalogPage,
  arriving: ReadonlySet<string>,
  { minAgeSeconds = 0 }: GcOptions
): Promise<RemovedBlocks> {
  const latest = nowSeconds() - minAgeSeconds
  const due = keysWhere(page.keys, i => {
    const { seconds, wasPinned } = readLoose(page.values[i] as number)
    if (arriving.size > 0 && arriving.has(keyText(keyAt(page.keys, i)))) return false
    return wasPinned || seconds <= latest
  })
  const alive = await catalog.alive(due)
  const keeps = (i: number) => alive[i] === 0 && isKept?.(keyAt(due, i)) === true
  // what others keep stays in the queue, for when they give it up
  const out = keysWhere(due, i => !keeps(i))
  const dead = keysWhere(due, i => alive[i] === 0 && !keeps(i))
  // the blocks go first: a crash in between leaves a queue that has too much, never too little
  const removed = await blocks.remove(dead)
  if (out.length > 0) {
    const values = new Float64Array(out.length / keyBytes)
    await catalog.apply([{ family: 'loose', keys: out, values }], { freeing: true })
  }
  return removed
}
