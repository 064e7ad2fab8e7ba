/**
 * What pins cost on a real repo: a pinset of local members pinned, listed, unpinned, collected.
 *
 *   node bench/pins/marks.ts [members, default 1000000]
 */
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'
import { openRepo } from '../../src/index.ts'
import { Pins } from '../../src/pins/pins.ts'
import { buildPinset } from '../../src/pinset/build.ts'

const members = Number(process.argv[2] ?? 1_000_000)
const folder = await mkdtemp(join(tmpdir(), 'ipfs-zfs-bench-pins-'))

/** Wall and CPU time of one row; the other numbers are only as quiet as the machine is. */
async function row(what: string, items: number, work: () => Promise<unknown>): Promise<void> {
  const cpu = process.cpuUsage()
  const began = performance.now()
  await work()
  const seconds = (performance.now() - began) / 1000
  const { user, system } = process.cpuUsage(cpu)
  const cpuSeconds = (user + system) / 1e6
  const rss = process.memoryUsage().rss / 2 ** 20
  console.log(
    `${what.padEnd(36)} ${seconds.toFixed(2).padStart(8)} s ${cpuSeconds.toFixed(2).padStart(8)} ` +
      `s CPU ${Math.round(items / seconds)
        .toString()
        .padStart(9)}/s ${rss.toFixed(0).padStart(6)} MiB`
  )
}

function block(i: number): { cid: CID; bytes: Uint8Array } {
  const bytes = new TextEncoder().encode(`member ${i}`)
  const digest = Digest.create(0x12, createHash('sha256').update(bytes).digest())
  return { cid: CID.createV1(raw.code, digest), bytes }
}

function* blocks(): Generator<{ cid: CID; bytes: Uint8Array }> {
  for (let i = 0; i < members; i++) yield block(i)
}

function* cids(): Generator<CID> {
  for (const { cid } of blocks()) yield cid
}

async function drain(source: AsyncGenerator<unknown>): Promise<number> {
  let count = 0
  while ((await source.next()).done !== true) count++
  return count
}

const repo = await openRepo({
  path: folder,
  create: true,
  durability: 'flush',
  pool: { sizeBytes: 16 * 2 ** 30 }
})
try {
  const { catalog, pinBlocks, datastore: records, blockstore } = repo
  const pins = new Pins({ catalog, blocks: pinBlocks, records })
  await row('put the members', members, async () => drain(blockstore.putMany(blocks())))
  let root: CID | undefined
  await row('build the pinset', members, async () => {
    const put = async ({ cid, bytes }: { cid: CID; bytes: Uint8Array }) => {
      await blockstore.put(cid, bytes)
    }
    root = (await buildPinset(cids(), { put })).root
  })
  const pinset = root as CID
  await row('pin it', members, async () => pins.add(pinset))
  await row('1,000 lookups of members', 1000, async () => {
    for (let i = 0; i < 1000; i++) {
      const state = await pins.isPinned(block(i * 7).cid)
      if (i * 7 < members && state?.type !== 'indirect') throw new Error('not pinned')
    }
  })
  const some = Math.min(20_000, members)
  await row('pin some members directly', some, async () => {
    const width = 256
    for (let i = 0; i < some; i += width) {
      await Promise.all(
        Array.from({ length: width }, async (_, j) =>
          pins.add(block(i + j).cid, { mode: 'direct' }).catch(() => {})
        )
      )
    }
  })
  await row('pin/ls', some, async () => drain(pins.ls()))
  await row('unpin it', members, async () => pins.rm(pinset))
  await row('collect', members - some, async () => console.log(await drain(pins.gc()), 'deleted'))
  await row('repo verify', 1, async () => {
    const report = await repo.verify({ scrub: false })
    console.log(report.ok, report.faults)
  })
} finally {
  await repo.close()
  await rm(folder, { recursive: true, force: true })
}
