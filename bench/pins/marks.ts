/**
 * What pins cost on a real repo: a pinset of local members pinned, listed, unpinned, collected.
 *
 *   node bench/pins/marks.ts [members, default 1000000]
 */
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { CID } from 'multiformats/cid'
import { buildPinset } from '../../src/pinset/build.ts'
import { cidLines } from '../../src/pinset/lines.ts'
import { cidsTo, drain, member, membersTo, withFreshRepo, type Block } from './fresh-repo.ts'

const members = Number(process.argv[2] ?? 1_000_000)

function* linesTo(count: number): Generator<string> {
  let lines = ''
  for (const cid of cidsTo(count)) {
    lines += `${cid.toString()}\n`
    if (lines.length < 65_536) continue
    yield lines
    lines = ''
  }
  yield lines
}

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

await withFreshRepo(async (repo, pins) => {
  const { blockstore } = repo
  await row('put the members', members, async () => drain(blockstore.putMany(membersTo(members))))
  let root: CID | undefined
  const list = join(await mkdtemp(join(tmpdir(), 'ipfs-zfs-bench-members-')), 'members.txt')
  await pipeline(Readable.from(linesTo(members)), createWriteStream(list))
  await row('build the pinset of a list', members, async () => {
    const put = async ({ cid, bytes }: Block) => {
      await blockstore.put(cid, bytes)
    }
    root = (await buildPinset(cidLines(createReadStream(list)), { put })).root
  })
  await rm(dirname(list), { recursive: true })
  const pinset = root as CID
  await row('pin it', members, async () => pins.add(pinset))
  await row('1,000 lookups of members', 1000, async () => {
    for (let i = 0; i < 1000; i++) {
      const state = await pins.isPinned(member(i * 7).cid)
      if (i * 7 < members && state?.type !== 'indirect') throw new Error('not pinned')
    }
  })
  const some = Math.min(20_000, members)
  await row('pin some members directly', some, async () => {
    const width = 256
    for (let i = 0; i < some; i += width) {
      await Promise.all(
        Array.from({ length: width }, async (_, j) =>
          pins.add(member(i + j).cid, { mode: 'direct' }).catch(() => {})
        )
      )
    }
  })
  await row('list the pins, as objects', some, async () => drain(pins.ls()))
  await row('unpin it', members, async () => pins.rm(pinset))
  await row('collect', members - some, async () => console.log(await drain(pins.gc()), 'deleted'))
  await row('repo verify', 1, async () => {
    const report = await repo.verify({ scrub: false })
    console.log(report.ok, report.faults)
  })
})
