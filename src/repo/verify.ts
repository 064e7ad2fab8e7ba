import { setTimeout as sleep } from 'node:timers/promises'
import { BusyError } from '../errors.ts'
import type { DamagedRecord, ScrubStatus } from '../native.ts'
import { orAbort } from '../stores/abort.ts'
import type { Backend } from '../stores/backend.ts'
import { rawCid } from '../stores/block-errors.ts'
import type { Gate } from '../stores/gate.ts'
import type { OpenedBackend } from './backend.ts'
import { datasetNames } from './layout.ts'
import type { VerifyOptions, VerifyReport } from './types.ts'

const POLL_MS = 50
/** Blocks in one step: of 4 MiB each, half a GiB to hash, about half a second. */
const STEP_BLOCKS = 128

/**
 * Proves what the repo holds: ZFS reads and checks every record (scrub), then each block is proved
 * by its block pointer or by hashing, then the index against free lists and packs. Blocks written
 * meanwhile may or may not be looked at.
 */
export async function verifyRepo(
  gate: Gate<OpenedBackend>,
  root: string,
  options: VerifyOptions
): Promise<VerifyReport> {
  options.signal?.throwIfAborted()
  if (options.scrub !== false) {
    await scrub(gate, options)
  }
  const damaged = await gate.run(async ({ pool }) => pool.damagedRecords())
  const report = await verifyBlocks(gate, root, damaged, options)
  options.signal?.throwIfAborted()
  options.onProgress?.({ phase: 'index', done: 0, total: 1 })
  const faults = await orAbort(
    gate.run(async ({ store, digests }) => [...(await store.check()), ...(await digests.check())]),
    options.signal
  )
  report.faults.push(...faults)
  options.onProgress?.({ phase: 'index', done: 1, total: 1 })
  report.ok = report.bad.length === 0 && report.faults.length === 0
  return report
}

async function scrub(gate: Gate<Backend>, { signal, onProgress }: VerifyOptions): Promise<void> {
  await gate.run(async ({ pool }) => {
    await pool.scrubStart().catch((error: unknown) => {
      // One that runs already serves as well.
      if (!(error instanceof BusyError)) {
        throw error
      }
    })
  })
  try {
    for (;;) {
      const { scrub: status } = await gate.run(async ({ pool }) => pool.status())
      onProgress?.(scrubProgress(status))
      if (status.state !== 'scanning') {
        return
      }
      await sleep(POLL_MS, undefined, signal == null ? {} : { signal })
    }
  } catch (error) {
    await gate.run(async ({ pool }) => pool.scrubStop()).catch(() => {})
    throw signal?.aborted === true ? signal.reason : error
  }
}

function scrubProgress({ examinedBytes, toExamineBytes }: ScrubStatus) {
  const total = Math.max(examinedBytes, toExamineBytes)
  return { phase: 'scrub', done: examinedBytes, total } as const
}

async function verifyBlocks(
  gate: Gate<OpenedBackend>,
  root: string,
  damaged: DamagedRecord[],
  { signal, onProgress }: VerifyOptions
): Promise<VerifyReport> {
  const report: VerifyReport = {
    blocks: 0,
    byPointer: 0,
    byHash: 0,
    unhashed: 0,
    bad: [],
    faults: [],
    ok: true
  }
  const { total, shards } = await gate.run(async ({ store, map }) => ({
    total: (await store.stats()).blocks,
    shards: new Set(datasetNames(root, map.shards).shards)
  }))
  report.faults = damaged.filter(({ dataset }) => !shards.has(dataset)).map(faultOf)
  const inShards = damaged.filter(({ dataset }) => shards.has(dataset))
  let from: Uint8Array | undefined
  do {
    signal?.throwIfAborted()
    const step = gate.run(async ({ store }) => store.verify(from, STEP_BLOCKS, inShards))
    const page = await orAbort(step, signal)
    report.byPointer += page.byPointer
    report.byHash += page.byHash
    report.unhashed += page.unhashed
    for (const { multihash, code, why } of page.bad) {
      if (multihash.byteLength > 0) {
        report.bad.push({ cid: rawCid(multihash), code, why })
      } else {
        report.faults.push(`a block's multihash is lost with the record that it was in: ${why}`)
      }
    }
    report.blocks += page.byPointer + page.byHash + page.unhashed + page.bad.length
    onProgress?.({ phase: 'blocks', done: report.blocks, total: Math.max(total, report.blocks) })
    from = page.next
  } while (from != null)
  return report
}

/** Damage outside the shards hits no block, but the catalog or the pool's own metadata. */
function faultOf({ dataset, file, level, record }: DamagedRecord): string {
  const where = dataset === '' ? "the pool's metadata" : dataset
  return `ZFS cannot read record ${record} (level ${level}) of object ${file} in ${where}`
}
