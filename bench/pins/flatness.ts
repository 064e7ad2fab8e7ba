/**
 * What pins cost while many others are in place: CPU time at each size, and against the first.
 *
 *   node bench/pins/flatness.ts [sizes, default 1000 100000 1000000]
 */
import * as dagPb from '@ipld/dag-pb'
import type { CID } from 'multiformats/cid'
import type { Repo } from '../../src/index.ts'
import type { Pins } from '../../src/pins/pins.ts'
import { block, drain, leaf, withFreshRepo } from './fresh-repo.ts'

const given = process.argv.slice(2).map(Number)
const sizes = given.length > 0 ? given : [1000, 100_000, 1_000_000]

async function fill({ blockstore }: Repo, pins: Pins, from: number, to: number): Promise<void> {
  const width = 512
  for (let at = from; at < to; at += width) {
    const some = Array.from({ length: Math.min(width, to - at) }, (_, i) => leaf(`pin ${at + i}`))
    await drain(blockstore.putMany(some))
    await Promise.all(some.map(async ({ cid }) => pins.add(cid)))
  }
}

/** Microseconds of CPU for each of `times`. */
async function cost(times: number, work: (i: number) => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage()
  for (let i = 0; i < times; i++) await work(i)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / times
}

async function measure(
  { blockstore }: Repo,
  pins: Pins,
  size: number
): Promise<Record<string, number>> {
  const dags = Array.from({ length: 200 }, (_, i) => {
    const leaves = Array.from({ length: 10 }, (_, j) => leaf(`${size} dag ${i} leaf ${j}`))
    const Links = leaves.map(({ cid }) => ({ Name: '', Hash: cid, Tsize: 1 }))
    return { root: block(dagPb.code, dagPb.encode({ Links })), leaves }
  })
  await drain(blockstore.putMany(dags.flatMap(({ root, leaves }) => [root, ...leaves])))
  const cid = (i: number) => (dags[i % dags.length] as (typeof dags)[0]).root.cid
  const under = (i: number) => dags[i % dags.length]?.leaves[i % 10]?.cid as CID
  const row: Record<string, number> = {}
  row['pin add'] = await cost(200, async i => pins.add(cid(i)))
  row['ls recursive'] = await cost(2000, async i => pins.isPinned(cid(i)))
  row['ls indirect'] = await cost(2000, async i => pins.isPinned(under(i)))
  row['ls absent'] = await cost(2000, async i => pins.isPinned(leaf(`absent ${i}`).cid))
  row['pin rm'] = await cost(200, async i => pins.rm(cid(i)))
  row['gc of 2,200'] = await cost(1, async () => drain(pins.gc()))
  return row
}

await withFreshRepo(async (repo, pins) => {
  let first: Record<string, number> | undefined
  let from = 0
  for (const size of sizes) {
    await fill(repo, pins, from, size)
    from = size
    await drain(pins.gc())
    const row = await measure(repo, pins, size)
    first ??= row
    for (const [what, micros] of Object.entries(row)) {
      const ratio = micros / (first[what] as number)
      console.log(
        `${size} pins: ${what.padEnd(14)} ${micros.toFixed(0)} µs CPU ×${ratio.toFixed(2)}`
      )
    }
  }
})
