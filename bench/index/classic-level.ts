/**
 * classic-level (LevelDB) as the C++ contenders are measured:
 * `classic-level.ts KEYS FOLDER [--limit-s SECONDS]`. Prints a JSON object of the same shape.
 */
import { createHash } from 'node:crypto'
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ClassicLevel } from 'classic-level'
import type { Report, Row } from './main.ts'

const BATCH = 1000
const WINDOW = 64
const LOOKUPS = 1 << 18
const DELETES = 1 << 20

const { values, positionals } = parseArgs({
  options: { 'limit-s': { type: 'string', default: 'Infinity' } },
  allowPositionals: true
})
const planned = Number(positionals[0])
const folder = String(positionals[1])
const limitMs = Number(values['limit-s']) * 1000
const options = {
  keyEncoding: 'buffer',
  valueEncoding: 'buffer',
  compression: false,
  writeBufferSize: 64 << 20,
  cacheSize: 64 << 20
} as const
let db = new ClassicLevel<Buffer, Buffer>(folder, options)
const rows: Record<string, Row> = {}

function keyOf(number: number): Buffer {
  return createHash('sha256').update(String(number)).digest()
}

/** Calls `batch` for each thousand of [0, wanted) until the limit; how far it came. */
async function inBatches(
  wanted: number,
  batch: (from: number, to: number, sync: boolean) => Promise<void>
): Promise<number> {
  const deadline = performance.now() + limitMs
  let at = 0
  for (let batches = 1; at < wanted && performance.now() < deadline; batches++) {
    const to = Math.min(at + BATCH, wanted)
    await batch(at, to, batches % WINDOW === 0 || to === wanted)
    at = to
  }
  return at
}

/** `work` says how many of `wanted` it came to. */
async function measure(row: string, wanted: number, work: () => Promise<number>): Promise<number> {
  const cpu = process.cpuUsage()
  const began = performance.now()
  const count = await work()
  const seconds = (performance.now() - began) / 1000
  const used = process.cpuUsage(cpu)
  const cpuMicroseconds = (used.user + used.system) / count
  rows[row] = { perSecond: count / seconds, cpuMicroseconds, seconds, count, wanted }
  return count
}

function writtenBytes(): number {
  return Number(/^write_bytes: (\d+)/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1] ?? 0)
}

function insert(): Promise<number> {
  const value = Buffer.alloc(8)
  return inBatches(planned, async (from, to, sync) => {
    const batch = db.batch()
    for (let i = from; i < to; i++) {
      value.writeBigUInt64LE(BigInt(i))
      batch.put(keyOf(i), Buffer.from(value))
    }
    await batch.write({ sync })
  })
}

/** Of keys that are there, or of such as never were. */
function get(keys: number, hit: boolean): Promise<number> {
  return inBatches(Math.min(keys, LOOKUPS), async (from, to) => {
    const wanted = Array.from({ length: to - from }, () =>
      keyOf(Math.floor(Math.random() * keys) + (hit ? 0 : planned))
    )
    const found = await db.getMany(wanted)
    if (found.some(value => (value != null) !== hit)) throw new Error('a wrong lookup')
  })
}

async function scan(): Promise<number> {
  const deadline = performance.now() + limitMs
  const iterator = db.iterator()
  let count = 0
  let some = await iterator.nextv(10_000)
  while (some.length > 0 && performance.now() < deadline) {
    count += some.length
    some = await iterator.nextv(10_000)
  }
  await iterator.close()
  return count
}

/** Every tenth key. */
function remove(wanted: number): Promise<number> {
  return inBatches(wanted, async (from, to, sync) => {
    const batch = db.batch()
    for (let i = from; i < to; i++) batch.del(keyOf(i * 10))
    await batch.write({ sync })
  })
}

async function main(): Promise<void> {
  await db.open()
  const written = writtenBytes()
  const keys = await measure('insert', planned, insert)
  const writtenBytesPerKey = (writtenBytes() - written) / keys
  await measure('get hit', Math.min(keys, LOOKUPS), () => get(keys, true))
  await measure('get miss', Math.min(keys, LOOKUPS), () => get(keys, false))
  await measure('scan', keys, scan)
  const disk = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
  const deletes = Math.min(Math.ceil(keys / 10), DELETES)
  await measure('delete', deletes, () => remove(deletes))
  await measure('reopen', 1, async () => {
    await db.close()
    db = new ClassicLevel(folder, options)
    await db.open()
    return 1
  })
  await db.close()
  const report: Report = {
    rows,
    keys,
    diskBytesPerKey: disk / keys,
    memoryBytesPerKey: 0,
    residentMaxBytes: process.resourceUsage().maxRSS * 1024,
    writtenBytesPerKey,
    writeAmplification: writtenBytesPerKey / 40,
    readsPerColdHit: 0,
    longestPutMs: 0,
    longestBlockedMs: 0,
    longestStallMs: 0
  }
  writeFileSync(1, JSON.stringify(report))
}

await main()
