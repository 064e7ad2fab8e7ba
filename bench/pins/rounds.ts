/**
 * What stays behind: the same members put, pinned, unpinned and collected again and again, with the
 * CPU time of each and the memory of the process after each round.
 *
 *   node bench/pins/rounds.ts [members, default 1000000] [rounds, default 8]
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
import type { PinsetBlock } from '../../src/pinset/format.ts'

const members = Number(process.argv[2] ?? 1_000_000)
const rounds = Number(process.argv[3] ?? 8)
const folder = await mkdtemp(join(tmpdir(), 'ipfs-zfs-bench-rounds-'))

interface Block {
  cid: CID
  bytes: Uint8Array
}

function* blocks(): Generator<Block> {
  for (let i = 0; i < members; i++) {
    const bytes = new TextEncoder().encode(`member ${i}`)
    const digest = Digest.create(0x12, createHash('sha256').update(bytes).digest())
    yield { cid: CID.createV1(raw.code, digest), bytes }
  }
}

function* cids(): Generator<CID> {
  for (const { cid } of blocks()) yield cid
}

async function drain(source: AsyncGenerator<unknown>): Promise<number> {
  let count = 0
  while ((await source.next()).done !== true) count++
  return count
}

/** Microseconds of CPU and of the clock for each member. */
async function cost(what: string, work: () => Promise<unknown>): Promise<string> {
  const cpu = process.cpuUsage()
  const began = performance.now()
  await work()
  const clock = ((performance.now() - began) * 1000) / members
  const { user, system } = process.cpuUsage(cpu)
  return `${what} ${((user + system) / members).toFixed(2)} (${clock.toFixed(2)})`
}

const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(0)

const repo = await openRepo({
  path: folder,
  create: true,
  durability: 'flush',
  pool: { sizeBytes: 16 * 2 ** 30 }
})
try {
  const { catalog, pinBlocks, datastore: records, blockstore } = repo
  const pins = new Pins({ catalog, blocks: pinBlocks, records })
  const nodes: PinsetBlock[] = []
  const { root } = await buildPinset(cids(), { put: async block => void nodes.push(block) })
  console.log(`${members} members a round; µs of CPU a member (µs of the clock), MiB at its end`)
  for (let round = 1; round <= rounds; round++) {
    const times = [
      await cost('put', async () => {
        await drain(blockstore.putMany(blocks()))
        await drain(blockstore.putMany(nodes))
      }),
      await cost('pin', async () => pins.add(root)),
      await cost('unpin', async () => pins.rm(root)),
      await cost('gc', async () => {
        const deleted = await drain(pins.gc())
        if (deleted !== members + nodes.length) throw new Error(`${deleted} deleted`)
      })
    ]
    globalThis.gc?.()
    const { rss, heapTotal, external, arrayBuffers } = process.memoryUsage()
    console.log(
      `${round}: ${times.join(', ')}; rss ${mib(rss)}, heap ${mib(heapTotal)}, ` +
        `external ${mib(external)}, of it buffers ${mib(arrayBuffers)}`
    )
  }
} finally {
  await repo.close()
  await rm(folder, { recursive: true, force: true })
}
