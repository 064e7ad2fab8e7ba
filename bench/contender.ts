/**
 * Measures one store with blocks of one size, in a process of its own, and prints its rows as
 * JSON: `node bench/contender.ts NAME SIZE_BYTES FOLDER`.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import Benchmark from 'benchmark'
import type { CID } from 'multiformats/cid'
import { Blocks, randomCids, type Block } from './blocks.ts'
import { contenders, type Contender, type ContenderName } from './contenders.ts'

export interface Row {
  /** Blocks a second of wall clock. */
  perSecond: number
  /** Processor time of the whole process, its threads included. */
  cpuMicrosecondsPerBlock: number
  /** Processor time of the whole machine: the kernel's own threads too, and whatever else runs. */
  machineMicrosecondsPerBlock: number
}

export type Rows = Record<string, Row>

/** Bytes that one putMany or getMany carries. */
const WINDOW_BYTES = 16 * 1024 * 1024
const WINDOW_BLOCKS_MAX = 4_000
const STORED_BYTES = 384 * 1024 * 1024
const STORED_BLOCKS_MAX = 32_000
const COLD_BLOCKS_MAX = 1_000
const SECONDS_PER_ROW = 2

const [name, size, folder] = process.argv.slice(2) as [ContenderName, string, string]
const blocks = new Blocks(Number(size))
const windowBlocks = Math.min(WINDOW_BLOCKS_MAX, WINDOW_BYTES / blocks.sizeBytes)
const storedBlocks = Math.min(STORED_BLOCKS_MAX, STORED_BYTES / blocks.sizeBytes)
const rows: Rows = {}

/** In µs. */
interface Used {
  process: NodeJS.CpuUsage
  machine: number
}

const USER_HZ = 100

function usedSoFar(): Used {
  // "cpu  user nice system idle iowait irq softirq …"
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n')
  const ticks = line.split(/ +/).slice(1, 8).map(Number)
  const busy = ticks.filter((_, column) => column !== 3 && column !== 4)
  return {
    process: process.cpuUsage(),
    machine: (busy.reduce((sum, count) => sum + count, 0) * 1e6) / USER_HZ
  }
}

function row(perSecond: number, before: Used, count: number): Row {
  const after = usedSoFar()
  const { user, system } = process.cpuUsage(before.process)
  return {
    perSecond,
    cpuMicrosecondsPerBlock: (user + system) / count,
    machineMicrosecondsPerBlock: (after.machine - before.machine) / count
  }
}

/** Runs `cycle` (which handles `count` blocks) for about two seconds by benchmark.js. */
function measure(what: string, count: number, cycle: () => Promise<unknown>): Promise<void> {
  let cycles = 0
  const before = usedSoFar()
  return new Promise((resolve, reject) => {
    const bench = new Benchmark(what, {
      defer: true,
      maxTime: SECONDS_PER_ROW,
      minSamples: 3,
      fn(deferred: { resolve(): void }) {
        cycles++
        cycle().then(() => deferred.resolve(), reject)
      }
    })
    bench.on('complete', () => {
      rows[what] = row(count / bench.stats.mean, before, cycles * count)
      resolve()
    })
    bench.run({ async: true })
  })
}

/** For what can be done once only. */
async function measureOnce(
  what: string,
  count: number,
  run: () => Promise<unknown>
): Promise<void> {
  const before = usedSoFar()
  const start = performance.now()
  await run()
  rows[what] = row((count * 1000) / (performance.now() - start), before, count)
}

function pick(cids: CID[]): CID {
  return cids[Math.floor(Math.random() * cids.length)] as CID
}

/** One at a time from what `make` makes many at a time. */
function supply<T extends Block | CID>(make: () => T[]): () => T {
  let left: T[] = []
  return () => {
    if (left.length === 0) left = make()
    return left.pop() as T
  }
}

function dropPageCache(): boolean {
  try {
    writeFileSync('/proc/sys/vm/drop_caches', '3')
    return true
  } catch {
    return false
  }
}

async function writes(store: Contender): Promise<void> {
  await measure('putMany', windowBlocks, () => store.putMany(blocks.take(windowBlocks)))
  const singles = supply(() => blocks.take(windowBlocks))
  await measure('put', 1, () => store.put(singles()))
}

async function warmReads(store: Contender, cids: CID[]): Promise<void> {
  const windowOf = (): CID[] => Array.from({ length: windowBlocks }, () => pick(cids))
  await measure('get warm', 1, () => store.get(pick(cids)))
  await measure('getMany warm', windowBlocks, () => store.getMany(windowOf()))
  await measure('has hit', 1, () => store.has(pick(cids)))
  const strangers = supply(() => randomCids(windowBlocks))
  await measure('has miss', 1, () => store.has(strangers()))
}

async function main(): Promise<void> {
  const { open } = contenders[name]
  // What is read later is put first, into a store that holds nothing else.
  let store = await open(folder)
  const stored = blocks.take(storedBlocks)
  const cids = stored.map(block => block.cid)
  for (let at = 0; at < stored.length; at += windowBlocks) {
    await store.putMany(stored.slice(at, at + windowBlocks))
  }
  stored.length = 0
  if (name !== 'memory') {
    await store.close()
    const cold = dropPageCache()
    store = await open(folder)
    const some = cids.slice(0, COLD_BLOCKS_MAX).sort(() => Math.random() - 0.5)
    await measureOnce(cold ? 'get cold' : 'get reopened', some.length, async () => {
      for (const cid of some) await store.get(cid)
    })
  }
  await measureOnce('getAll', cids.length, () => store.getAll())
  await warmReads(store, cids)
  await writes(store)
  await store.close()
  console.log(JSON.stringify(rows))
}

await main()
