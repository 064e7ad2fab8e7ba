/**
 * What pins cost while many others are in place: CPU time at each size, and against the first.
 *
 *   node bench/pins/flatness.ts [--kubo] [sizes, default 1000 100000 1000000]
 *
 * With --kubo a real Kubo is measured, by its daemon's CPU time, instead of this node.
 */
import * as dagPb from '@ipld/dag-pb'
import type { CID } from 'multiformats/cid'
import { block, leaf } from './fresh-repo.ts'
import { withKubo, withOurs, type Subject } from './subject.ts'

const args = process.argv.slice(2)
const given = args.filter(arg => !arg.startsWith('-')).map(Number)
const sizes = given.length > 0 ? given : [1000, 100_000, 1_000_000]
/** What takes longer is measured with fewer repetitions. */
const rowMs = 10_000
/** Of so many measurements at a size the median counts; one more before the first only warms up. */
const rounds = 3

async function fill(subject: Subject, from: number, to: number): Promise<void> {
  const width = 512
  for (let at = from; at < to; at += width) {
    const count = Math.min(width, to - at)
    await subject.fill(Array.from({ length: count }, (_, i) => leaf(`pin ${at + i}`)))
  }
}

async function measure(subject: Subject, name: string): Promise<Record<string, number>> {
  /** Microseconds of CPU for each of `times`. */
  const cost = async (times: number, work: (i: number) => Promise<unknown>): Promise<number> => {
    const before = await subject.cpu()
    const until = performance.now() + rowMs
    let done = 0
    while (done < times && performance.now() < until) await work(done++)
    return ((await subject.cpu()) - before) / done
  }
  const dags = Array.from({ length: 200 }, (_, i) => {
    const leaves = Array.from({ length: 10 }, (_, j) => leaf(`${name} dag ${i} leaf ${j}`))
    const Links = leaves.map(({ cid }) => ({ Name: '', Hash: cid, Tsize: 1 }))
    return { root: block(dagPb.code, dagPb.encode({ Links })), leaves }
  })
  await subject.put(dags.flatMap(({ root, leaves }) => [root, ...leaves]))
  const dag = (i: number) => dags[i % dags.length] as (typeof dags)[0]
  const under = (i: number) => (dag(i).leaves[i % 10] as (typeof dags)[0]['root']).cid
  const row: Record<string, number> = {}
  let pinned = 0
  row['pin add'] = await cost(dags.length, async i => {
    await subject.pin(dag(i).root.cid)
    pinned = i + 1
  })
  const lookUp = async (what: string, isThere: boolean, cid: (i: number) => CID) => {
    row[what] = await cost(20_000, async i => {
      if ((await subject.isPinned(cid(i))) !== isThere) throw new Error(`${what}: wrong answer`)
    })
  }
  await lookUp('ls recursive', true, i => dag(i % pinned).root.cid)
  await lookUp('ls indirect', true, i => under(i % pinned))
  await lookUp('ls absent', false, i => leaf(`absent ${i}`).cid)
  row['pin rm'] = await cost(pinned, async i => subject.unpin(dag(i).root.cid))
  row['gc of 2,200'] = await cost(1, async () => subject.gc())
  return row
}

async function medians(subject: Subject, size: number): Promise<Record<string, number>> {
  const measured: Record<string, number>[] = []
  for (let i = 0; i < rounds; i++) measured.push(await measure(subject, `${size} ${i}`))
  const names = Object.keys(measured[0] ?? {})
  return Object.fromEntries(
    names.map(name => {
      const sorted = measured.map(row => row[name] as number).sort((a, b) => a - b)
      return [name, sorted[Math.floor(rounds / 2)] as number]
    })
  )
}

await (args.includes('--kubo') ? withKubo : withOurs)(async subject => {
  let first: Record<string, number> | undefined
  let from = 0
  for (const size of sizes) {
    const began = performance.now()
    await fill(subject, from, size)
    const seconds = (performance.now() - began) / 1000
    console.log(`${subject.name}: ${size} pins, filled in ${seconds.toFixed(0)} s`)
    from = size
    await subject.gc()
    if (first == null) await measure(subject, 'to warm up')
    const row = await medians(subject, size)
    first ??= row
    for (const [what, micros] of Object.entries(row)) {
      const ratio = micros / (first[what] as number)
      console.log(
        `${size} pins: ${what.padEnd(14)} ${micros.toFixed(0)} µs CPU ×${ratio.toFixed(2)}`
      )
    }
  }
})
